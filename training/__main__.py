"""One command for the whole recipe: `python -m training all`, or one stage of it.

Every stage keeps its state in `checkpoints/<preset>/` and goes on where it was when it was
stopped; a stage that is done is passed over. `--run 2` (3, 4, …) goes on from the shipped
CLIP, decoder and U-Net: fresh optimisers, short warm-up, new pictures; `--keep clip` leaves CLIP
as it is shipped, `--keep text` its half that reads, which is what the U-Net knows. `distil` then
trains the student of the shipped U-Net, and `evaluate_distilled` measures it beside its teacher.
"""

import argparse
from collections.abc import Callable
from dataclasses import replace
from operator import attrgetter
from pathlib import Path

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTokenizer

from helpers import load_pipeline, load_ranker
from helpers.base.files import put_back
from helpers.faces.restorer import Restorer
from helpers.ranking.sticker_clip import StickerClip
from training.card import made_on, write_card
from training.clip import new_clip, train_clip
from training.compare import FEW_STEPS, STUDENTS, compare, write_student_card
from training.data import Dataset, Sample
from training.distil import new_student, train_student
from training.evaluate import Entry, Judge, curve, evaluate, prompt
from training.export import (
    WEIGHTS,
    assembled,
    default_scheduler,
    export_clip,
    export_pipeline,
    export_unet,
)
from training.golden import write_golden
from training.loop import Loop, hand_over
from training.lora import golden_of_pictures, measure, train_lora, write_lora_card
from training.pictures import GRIDS, write_pictures
from training.presets import PRESETS, ClipSettings, Preset, UnetSettings
from training.recipes import RECIPES, encoded, try_recipe
from training.restorer import evaluate_restorer, export_restorer, train_restorer
from training.tokenizer import train_tokenizer
from training.turbo import train_turbo, turbo_scheduler
from training.unet import CleanEstimates, NoisyLatents, new_unet, train_unet, write_latents
from training.vae import refine_decoder, train_vae

CHECKPOINTS = Path(__file__).resolve().parents[1] / "checkpoints"
RECORDS = Path(__file__).with_name("records")  # committed: logs, curves, and the judge


class Recipe:
    """The stages in their order; each gives what the next ones need, from disk when it is there.

    From the second run on, CLIP, decoder and U-Net begin as the one before left them.
    """

    def __init__(
        self,
        preset: Preset,
        folder: Path,
        weights: Path,
        run: int = 1,
        records: Path = RECORDS,
        keep: tuple[str, ...] = (),
        grids: Path = GRIDS,
        retrain_vae: bool = False,
    ) -> None:
        self.preset, self.folder, self.weights, self.run = preset, folder, weights, run
        self.keep = keep  # parts that stay as they are shipped
        self.grids, self.retrain_vae = grids, retrain_vae
        self.handover = records / "handover"
        self.judge_folder, self.logs = records / "judge", records / "logs"
        self.student_logs = records / "distilled"
        self.restorer_logs = records / "faces"
        self.folder.mkdir(parents=True, exist_ok=True)
        for models in (weights, records):
            put_back(models)

    def tokenizer(self) -> CLIPTokenizer:
        if self.run > 1:
            return CLIPTokenizer.from_pretrained(self.weights / "stickers-clip")
        folder = self.folder / "tokenizer"
        if (folder / "tokenizer.json").exists():
            return CLIPTokenizer.from_pretrained(folder)
        return train_tokenizer(folder, self.preset.tokenizer_captions)

    def trained_clip(
        self,
        kind: str,
        settings: ClipSettings,
        before: Path,
        caption_of: Callable[[Sample], str] = attrgetter("caption"),
        keep_text: bool = False,
    ) -> StickerClip:
        """This run's contrastive model, begun from the one that the run before kept."""
        tokenizer = self.tokenizer()
        settings = replace(settings, seed=settings.seed + 10 * self.run)
        model = new_clip(settings, tokenizer)
        if self.run > 1:
            model.load_state_dict(StickerClip.from_pretrained(before).state_dict())
        model.text.requires_grad_(not keep_text)
        loop = train_clip(
            f"{kind}-{self.run}",
            settings,
            model,
            tokenizer,
            self.folder,
            self.preset.machine,
            caption_of,
        )
        self.keep_log(loop)
        return loop.model.eval().requires_grad_(False).cpu()

    def clip(self) -> StickerClip:
        if "clip" in self.keep:
            return StickerClip.from_pretrained(self.weights / "stickers-clip").eval()
        keep_text, before = "text" in self.keep, self.weights / "stickers-clip"
        return self.trained_clip("clip", self.preset.clip, before, keep_text=keep_text)

    def train_judge(self) -> None:
        """Trains the judge in this run and keeps it in the repository.

        It reads each picture's full caption, which is what it is asked about: in the varied ones
        words are left out, and then two pictures that differ have captions that fit both.
        """
        judge = self.trained_clip(
            "judge",
            self.preset.judge,
            self.judge_folder,
            caption_of=lambda sample: prompt(sample.about),
        )
        export_clip(judge, self.tokenizer(), self.judge_folder)

    def judge(self) -> StickerClip:
        if not self.judge_folder.exists():
            self.train_judge()
        return StickerClip.from_pretrained(self.judge_folder)

    def vae(self) -> AutoencoderKL:
        """The one whose latents the U-Net learns: trained in this run, or as shipped."""
        settings, before = self.preset.vae, None
        if self.run > 1:
            before = AutoencoderKL.from_pretrained(self.weights / "stickers" / "vae").float()
            if not self.retrain_vae:
                return before
        settings = replace(settings, seed=settings.seed + 100 * self.run)
        name = f"vae-{self.run}"
        vae, loop = train_vae(
            name, settings, self.folder, self.preset.machine, before, self.handover / name
        )
        self.keep_log(loop)
        return vae.eval().requires_grad_(False)

    def decoder(self) -> AutoencoderKL:
        """The autoencoder with its decoder trained further, on what this run's U-Net draws."""
        vae, settings = self.vae(), self.preset.vae
        if "decoder" in self.keep:
            return vae.eval().requires_grad_(False)
        settings = replace(settings, seed=settings.seed + 100 * self.run + 1)
        estimates = CleanEstimates(
            self.unet(), self.clip().text, self.tokenizer(), self.preset.unet
        )
        loop = refine_decoder(
            f"decoder-{self.run}", vae, settings, self.folder, self.preset.machine, estimates
        )
        self.keep_log(loop)
        return vae.eval().requires_grad_(False).cpu()

    def latents(self, shipped: StableDiffusionPipeline | None = None) -> Path:
        """Encoded pictures; every run has its own. `shipped` has other parts to encode with."""
        settings = self.preset.unet
        file = self.folder / f"latents-{self.run}.pt"
        if not file.exists():
            vae = shipped.vae if shipped else self.vae()
            tokenizer = shipped.tokenizer if shipped else self.tokenizer()
            data = Dataset(settings.seed + self.run)
            machine = self.preset.machine
            write_latents(
                file,
                data,
                settings.latent_pictures,
                vae.to(machine.device),
                tokenizer,
                machine.workers,
            )
            vae.cpu()
        return file

    def shipped_latents(
        self, settings: UnetSettings, shipped: StableDiffusionPipeline
    ) -> NoisyLatents:
        """What the shipped U-Net understands: in the first run, `vae` and `clip` are others."""
        file = self.latents(shipped)
        return NoisyLatents(file, shipped.text_encoder, shipped.tokenizer, settings)

    def unet(self) -> UNet2DConditionModel:
        """The averaged U-Net of this run, begun from the shipped one where that fits.

        New latents, or another shape in the preset, need a U-Net from nothing.
        """
        settings = replace(self.preset.unet, seed=self.preset.unet.seed + self.run)
        unet = new_unet(settings, self.preset.clip.text_width)
        if self.run > 1 and not self.retrain_vae:
            before = UNet2DConditionModel.from_pretrained(self.weights / "stickers" / "unet")
            if shape_of(before) == shape_of(unet):
                unet.load_state_dict(before.state_dict())
        stored = NoisyLatents(self.latents(), self.clip().text, self.tokenizer(), settings)
        loop = train_unet(
            unet,
            stored,
            self.folder,
            f"unet-{self.run}",
            self.preset.machine,
            self.handover / f"unet-{self.run}",
        )
        self.keep_log(loop)
        return loop.model.eval().cpu()

    def hand_over(self) -> None:
        """Keeps where this run's U-Net and autoencoder stand, to go on with on another machine."""
        for name in (f"vae-{self.run}", f"unet-{self.run}"):
            file = self.folder / f"{name}.pt"
            if file.exists():
                hand_over(file, self.handover / name)

    def export(self) -> None:
        """Writes helpers/weights from what is trained."""
        clip, tokenizer = self.clip(), self.tokenizer()
        pipe = self.assembled(clip, self.decoder(), self.unet())
        export_clip(clip, tokenizer, self.weights / "stickers-clip")
        export_pipeline(pipe, self.weights / "stickers")

    def assembled(
        self, clip: StickerClip, vae: AutoencoderKL, unet: UNet2DConditionModel
    ) -> StableDiffusionPipeline:
        """Parts of this run as the pipeline that will be shipped."""
        scheduler = default_scheduler(self.preset.scheduler, self.preset.unet.prediction_type)
        return assembled(clip, vae, unet, self.tokenizer(), scheduler)

    def evaluate(self) -> None:
        """Measures what is shipped and writes its card."""
        folder = self.weights / "stickers"
        pipe, judge = self.shipped(device=self.preset.machine.device), self.judge_of_pictures()
        evaluate(pipe, judge, folder / "figures.json", made_on(self.preset.name), self.preset)
        write_card(folder, self.logs)

    def distil(self) -> None:
        """Trains a student of the shipped U-Net on this run's pictures, and exports it."""
        settings, weights, shipped = self.preset.distil, self.weights, self.shipped()
        shared = replace(self.preset.unet, seed=settings.seed, batch_size=settings.batch_size)
        loop = train_student(
            settings,
            new_student(shipped.unet, settings.channels),
            shipped.unet,
            self.shipped_latents(shared, shipped),
            self.folder,
            f"distil-{self.run}",
            self.preset.machine,
        )
        loop.log(self.student_logs / f"{loop.name}.jsonl")
        export_unet(loop.model.eval().cpu(), weights / "stickers-distilled", "stickers")

    def turbo(self) -> None:
        """Trains the student that draws in a few steps, and exports it."""
        settings, shipped = self.preset.turbo, self.shipped()
        shared = replace(self.preset.unet, seed=settings.seed, batch_size=settings.batch_size)
        loop = train_turbo(
            settings,
            shipped.unet,
            self.shipped_latents(shared, shipped),
            self.folder,
            f"turbo-{self.run}",
            self.preset.machine,
        )
        loop.log(self.student_logs / f"{loop.name}.jsonl")
        folder = self.weights / "stickers-turbo"
        export_unet(loop.model.eval().cpu(), folder, "stickers", turbo_scheduler(settings))

    def evaluate_distilled(self) -> None:
        """Measures the smaller student beside its teacher and writes its card."""
        names = ("stickers", "stickers-distilled")
        entries = {name: self.entry(self.shipped(name)) for name in names}
        self.compare_student("stickers-distilled", entries)

    def evaluate_turbo(self) -> None:
        """Measures the student of few steps beside its teacher and writes its card."""
        teacher, student = self.shipped(), self.shipped("stickers-turbo")
        entries = {
            f"stickers, {self.preset.evaluation_steps} steps": self.entry(teacher),
            "stickers, 4 steps": Entry(teacher, num_inference_steps=4),
        }
        for steps in FEW_STEPS:
            label = f"stickers-turbo, {steps} step{'s' * (steps > 1)}"
            entries[label] = Entry(student, steps, guidance_scale=1.0)
        self.compare_student("stickers-turbo", entries)

    def compare_student(self, name: str, entries: dict[str, Entry]) -> None:
        folder = self.weights / name
        about, judge = made_on(self.preset.name), self.judge_of_pictures()
        ranker = load_ranker(self.judge_folder, device="cpu")
        prompts, rounds = self.preset.distil.evaluation_prompts, self.preset.evaluation_rounds
        compare(entries, ranker, judge, folder / "figures.json", about, prompts, rounds)
        write_student_card(STUDENTS[name], folder, self.student_logs)

    def restorer(self) -> None:
        """Trains the face restorer beside the shipped autoencoder; exports and measures it."""
        folder = self.weights / "stickers-faces"
        vae = AutoencoderKL.from_pretrained(self.weights / "stickers" / "vae").float()
        settings = replace(self.preset.restorer, seed=self.preset.restorer.seed + self.run)
        loop = train_restorer(
            f"restorer-{self.run}",
            settings,
            vae,
            self.folder,
            self.preset.machine,
            before=folder if self.run > 1 and folder.exists() else None,
        )
        loop.log(self.restorer_logs / f"{loop.name}.jsonl")
        export_restorer(Restorer(loop.model), folder)
        evaluate_restorer(vae, folder, self.preset.name, settings, self.restorer_logs)

    def golden(self) -> None:
        """The pictures that the LoRA and lesson 12 learn from."""
        write_golden()

    def lora(self) -> None:
        """Trains a LoRA on the shipped U-Net, measures it and writes its card."""
        folder, settings = self.weights / "stickers-golden", self.preset.lora
        figures = train_lora(self.shipped(), settings, folder)
        tuned = load_pipeline(self.weights / "stickers", device="cpu", lora=folder)
        tuned.set_progress_bar_config(disable=True)
        entries = {"stickers": self.entry(self.shipped()), folder.name: self.entry(tuned)}
        judge = self.judge_of_pictures()  # trains the judge where no run has yet
        ranker = load_ranker(self.judge_folder, device="cpu")
        prompts = settings.evaluation_prompts
        figures |= {"prompts": prompts, "golden_of_pictures": golden_of_pictures()}
        figures |= {"drawn_steps": self.preset.evaluation_steps}
        figures |= measure(entries, ranker, judge, prompts)
        write_lora_card(folder, figures, self.preset.name)

    def curve(self) -> None:
        """What each kept average of this run, and the last one, can do."""
        name = f"unet-{self.run}"
        end = torch.load(self.folder / f"{name}.pt", weights_only=True, map_location="cpu")
        minutes = {row["step"]: round(row["seconds"] / 60, 1) for row in end["history"]}
        snapshots = {end["step"]: end["average"]}
        for file in self.folder.glob(f"{name}-step*.pt"):
            step = int(file.stem.rpartition("step")[2])
            snapshots[step] = torch.load(file, weights_only=True, map_location="cpu")
        clip, settings = self.clip(), self.preset.unet
        pipe = self.assembled(clip, self.vae(), new_unet(settings, self.preset.clip.text_width))
        pipe.set_progress_bar_config(disable=True)
        others = Dataset(settings.seed + 1000)
        validation = encoded(pipe, settings, others, self.preset.curve_validation)
        curve(
            self.entry(pipe.to(self.preset.machine.device)),
            self.judge_of_pictures(),
            snapshots,
            minutes,
            self.logs / f"curve-{self.run}.jsonl",
            self.preset.curve_pictures,
            validation,
        )

    def recipes(self, only: str | None = None) -> None:
        """What teaches a new U-Net fastest: every recipe, or only one of them."""
        for name in [only] if only else RECIPES:
            output = self.logs.with_name("recipes") / f"{name}.json"
            if not output.exists():
                try_recipe(
                    name,
                    self.shipped(),
                    self.judge_of_pictures(),
                    self.preset,
                    self.folder / "recipes",
                    output,
                )

    def pictures(self) -> None:
        """The grids in course/pictures/."""
        write_pictures(self.shipped(), self.grids)

    def shipped(self, name: str = "stickers", device: str = "cpu") -> StableDiffusionPipeline:
        """A pipeline that was exported, as learners load it."""
        pipe = load_pipeline(self.weights / name, device=device)
        pipe.set_progress_bar_config(disable=True)
        return pipe

    def entry(self, pipe: StableDiffusionPipeline) -> Entry:
        """A pipeline to measure, which draws in the preset's steps."""
        return Entry(pipe, self.preset.evaluation_steps)

    def judge_of_pictures(self) -> Judge:
        return Judge(self.judge(), self.tokenizer())

    def all(self) -> None:
        self.export()
        self.pictures()
        self.evaluate()

    def keep_log(self, loop: Loop) -> None:
        loop.log(self.logs / f"{loop.name}.jsonl")


STAGES = """
all tokenizer clip train_judge vae latents unet decoder export evaluate curve recipes pictures
hand_over distil turbo evaluate_distilled evaluate_turbo restorer golden lora
""".split()


def shape_of(unet: UNet2DConditionModel) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in unet.state_dict().items()}


def fault_of(chosen: argparse.Namespace) -> str | None:
    """What is wrong with the run that was asked for, if anything."""
    if chosen.run < 1:
        return f"argument --run: must be 1 or more; got {chosen.run}"
    replaces = chosen.run == 1 and chosen.stage in ("all", "export")
    if replaces and chosen.weights.resolve() == WEIGHTS and not chosen.from_nothing:
        return (
            "the shipped models have been trained already. To train them further, name their next "
            "run, --run N (training/README.md lists those so far). To train new ones, "
            "name another folder, --weights FOLDER, or let them be replaced: --from-nothing"
        )
    return None


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument("--preset", choices=PRESETS, default="cpu")
    parser.add_argument("--run", type=int, default=1, help="2, 3, … go on from the shipped U-Net")
    parser.add_argument(
        "--from-nothing", action="store_true", help="let the first run replace the shipped models"
    )
    parser.add_argument(
        "--keep",
        nargs="+",
        choices=("clip", "text", "decoder"),
        default=(),
        help="parts that a later run leaves as they are shipped",
    )
    parser.add_argument(
        "--retrain-vae",
        action="store_true",
        help="train the whole autoencoder further; its latents change, so the U-Net begins anew",
    )
    parser.add_argument("--checkpoints", type=Path, help="where the state of a training is kept")
    parser.add_argument(
        "--weights",
        type=Path,
        default=WEIGHTS,
        help="another folder of models, with its own checkpoints, records and pictures in it",
    )
    chosen = parser.parse_args()
    if fault := fault_of(chosen):
        parser.error(fault)
    preset = PRESETS[chosen.preset]
    checkpoints, records, grids = CHECKPOINTS, RECORDS, GRIDS
    if chosen.weights.resolve() != WEIGHTS:  # what is shipped keeps its own
        names = ("checkpoints", "records", "pictures")
        checkpoints, records, grids = (chosen.weights / name for name in names)
    folder = (chosen.checkpoints or checkpoints) / preset.name
    recipe = Recipe(
        preset,
        folder,
        chosen.weights,
        chosen.run,
        records,
        tuple(chosen.keep),
        grids,
        chosen.retrain_vae,
    )
    stage: Callable = getattr(recipe, chosen.stage)
    stage()


if __name__ == "__main__":
    main()
