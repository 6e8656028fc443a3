# make lab and make test are the two commands; `make` alone lists the others.
# Each target makes .venv when it is missing and installs again when the dependencies changed.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
# --no-compile: of 18000 files Python translates the few that are imported, when they are.
INSTALL := $(RUN) -m pip install --quiet --disable-pip-version-check --no-compile \
  -c constraints.txt -e
# Jupyter refuses to start for root, which is who one is in a container.
LAB_OPTIONS := $(if $(filter 0,$(shell id -u)),--allow-root)

.PHONY: help lab app test lint lock test-classic test-colab lock-colab notebooks browser-tools site slides guide bench \
  train

help:
	@echo "make lab        open the lessons in JupyterLab"
	@echo "make app        start the web app; for a class: OPTIONS='--host 0.0.0.0 --password WORD'"
	@echo "make test       run every solution, then the tests; one by one: OPTIONS='-n 0';"
	@echo "                the quick part alone: OPTIONS='-m \"not slow\"'"
	@echo "make lint       look for mistakes and unusual layout in the code, with ruff"
	@echo "make test-classic  try the face client against a real Gradio 3, in an environment of its own"
	@echo "make test-colab    run tests and solutions with Colab's versions of the libraries"
	@echo "make notebooks  build lessons/ and solutions/ from course/"
	@echo "make site       build the website into site/, with the model in its pages (needs Node.js)"
	@echo "make slides     build slides/*.html, one deck per lesson"
	@echo "make guide      measure and write the tables of the instructor's guide"
	@echo "make bench      time sweeps against plain loops; short: OPTIONS='steps --rounds 1'"
	@echo "make train      train the sticker models (hours): OPTIONS='--run N', '--preset gpu'"

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

# Nothing is fetched without being asked for: no news, no look for updates, and no question whether
# news are wanted, which the settings file answers. Jupyter prints its address, which is what one
# opens by hand where no browser starts. Its root is the whole course, because lessons show pictures
# from course/pictures/.
LAB_SETTINGS := $(VENV)/share/jupyter/lab/settings
lab: $(VENV)/.installed
	@mkdir -p $(LAB_SETTINGS)
	@echo '{"@jupyterlab/apputils-extension:notification": {"fetchNews": "false"}}' \
	  > $(LAB_SETTINGS)/overrides.json
	$(RUN) -m jupyter lab $(LAB_OPTIONS) --LabApp.news_url=None \
	  --LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate \
	  --LabApp.default_url=/lab/tree/lessons

app: $(VENV)/.installed
	$(RUN) -m helpers app $(OPTIONS)

# nbval compares the printed text of each solution, never its pictures: tests/test_solutions.py
# reads those. Files are dealt out whole to several workers (tests/conftest.py says how many), of
# which each computes with one thread. The solutions take longest and come first, so that no worker
# is left alone with one at the end. The bytecode of the libraries is kept even where the
# environment says to write none: else every worker, kernel and command translates torch, diffusers
# and gradio anew, which takes longer than to import them.
TEST_SETTINGS = OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE=
PYTEST = -m pytest -n auto --dist loadfile --no-loadscope-reorder \
  --nbval --nbval-current-env --nbval-cell-timeout=600 solutions tests $(OPTIONS)

test: $(VENV)/.installed
	$(RUN) -m tools.notebooks --check
	$(TEST_SETTINGS) $(RUN) $(PYTEST)

lint: $(VENV)/.installed
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .

# After a change of constraints.txt's first part: pins all that the named libraries bring along.
lock: $(VENV)/.installed-site $(VENV)/.installed-train $(VENV)/.installed-browser
	$(RUN) -m tools.lock constraints.txt

# Gradio 3 cannot be installed beside the course's Gradio. The first run needs the network.
CLASSIC := .venv-classic
$(CLASSIC)/.installed: tests/classic/requirements.txt
	$(PYTHON) -m venv --clear $(CLASSIC)
	$(CLASSIC)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

test-classic: $(VENV)/.installed $(CLASSIC)/.installed
	CLASSIC_PYTHON=$(CLASSIC)/bin/python $(RUN) -m pytest tests/classic/check_client.py

# Colab's versions, in an environment of their own. The first run needs the network.
COLAB := .venv-colab
$(COLAB)/.installed: tests/colab/constraints.txt pyproject.toml
	$(PYTHON) -m venv --clear $(COLAB)
	$(COLAB)/bin/python -m pip install --quiet --disable-pip-version-check -c $< -e ".[test]"
	@touch $@

test-colab: $(COLAB)/.installed
	$(TEST_SETTINGS) $(COLAB)/bin/python $(PYTEST)

# After a change of the first part of that file, with its second part deleted: pins the rest again.
lock-colab: $(COLAB)/.installed
	$(COLAB)/bin/python -m tools.lock tests/colab/constraints.txt
	@touch $<

# The pictures of the reading and of the apps are drawn by the same model as the lessons', so they
# are made together. Those of the apps are photographs and need Chromium.
notebooks: $(VENV)/.installed
	$(RUN) -m tools.notebooks
	$(RUN) -m tools.reading_pictures
	$(RUN) -m tools.app_pictures

$(VENV)/.installed-site: $(VENV)/.installed
	$(INSTALL) ".[site]"
	@touch $@

# The pages that run the model: torch's exporter writes with Python packages, and what computes in
# the browser comes from npm. npm compares each package with its checksum in package-lock.json.
browser-tools: $(VENV)/.installed-browser
$(VENV)/.installed-browser: browser/package-lock.json $(VENV)/.installed
	$(INSTALL) ".[browser]"
	npm ci --prefix browser
	@touch $@

site: $(VENV)/.installed-site $(VENV)/.installed-browser
	$(RUN) -m tools.site

slides: $(VENV)/.installed
	$(RUN) -m tools.slides

guide: $(VENV)/.installed
	$(RUN) -m tools.instructor --times

bench: $(VENV)/.installed
	$(RUN) -m benchmarks $(OPTIONS)

train: $(VENV)/.installed-train
	$(RUN) -m training all $(OPTIONS)
