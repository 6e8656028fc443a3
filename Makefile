# make lab and make test are the two commands; `make` alone lists the others.
# Each target makes .venv when it is missing and installs again when the dependencies changed.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
INSTALL := $(RUN) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e
# Jupyter refuses to start for root, which is who one is in a container.
LAB_OPTIONS := $(if $(filter 0,$(shell id -u)),--allow-root)

.PHONY: help lab test notebooks train

help:
	@echo "make lab        open the lessons in JupyterLab"
	@echo "make test       run the tests, then every solution"
	@echo "make notebooks  build lessons/ and solutions/ from course/"
	@echo "make train      train the sticker models (hours); with a GPU: OPTIONS='--preset gpu'"

# The stamps say what is installed; pip runs again when these files are newer than a stamp.
$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "The course needs Python 3.11 or newer, and \`$(PYTHON)\` is not one."; \
	  echo "If there is another, name it: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(RUN) -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	  || $(PYTHON) -m venv --clear $(VENV)
	@echo "Installing the course into $(VENV): minutes the first time, seconds later."
	$(INSTALL) ".[lab,test]"
	@touch $@

$(VENV)/.installed-train: $(VENV)/.installed
	$(INSTALL) ".[train]"
	@touch $@

# Nothing is fetched without being asked for: no news, no look for updates. Jupyter prints its
# address, which is what one opens by hand where no browser starts. Its root is the whole course,
# because lessons show pictures from course/pictures/.
lab: $(VENV)/.installed
	$(RUN) -m jupyter lab $(LAB_OPTIONS) --LabApp.news_url=None \
	  --LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate \
	  --LabApp.default_url=/lab/tree/lessons

# nbval compares the printed text of each solution, never its pictures: tests/test_solutions.py
# reads those.
test: $(VENV)/.installed
	$(RUN) -m tools.notebooks --check
	$(RUN) -m pytest --nbval --nbval-current-env --nbval-cell-timeout=120 tests solutions

notebooks: $(VENV)/.installed
	$(RUN) -m tools.notebooks

train: $(VENV)/.installed-train
	$(RUN) -m training all $(OPTIONS)
