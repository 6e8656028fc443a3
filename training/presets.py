"""Every setting of the recipe, in one place. A preset holds only its differences from `cpu`."""

from dataclasses import dataclass, field, replace
from pathlib import Path


@dataclass(frozen=True)
class ClipSettings:
    """A contrastive text and picture model; its text tower conditions the U-Net."""

    seed: int
    steps: int = 420  # of each run
    batch_size: int = 128
    learning_rate: float = 1.5e-3
    text_layers: int = 4
    text_width: int = 192
    text_heads: int = 4


@dataclass(frozen=True)
class VaeSettings:
    seed: int = 3
    channels: tuple[int, ...] = (16, 32, 64, 128)
    steps: int = 9000
    batch_size: int = 10
    crop: int = 64  # pixels; whole pictures from `whole_from` of the steps on
    whole_from: float = 0.93
    learning_rate: float = 1.5e-3
    decoder_steps: int = 2000  # on whole pictures, with the encoder fixed; after every U-Net
    decoder_learning_rate: float = 6e-4
    kl_weight: float = 5e-4
    edge_weight: float = 0.5
    equivariance_weight: float = 0.0  # of what the latents at half their size draw
    ema: float = 0.998
    measured_pictures: int = 256  # for the mean and the deviation of the latents


@dataclass(frozen=True)
class UnetSettings:
    seed: int = 5
    channels: tuple[int, ...] = (96, 192)  # of each stage, the outer first
    layers_per_block: int = 1
    resnet_time_scale_shift: str = "scale_shift"
    addition_embed_type: str | None = "text"
    latent_pictures: int = 40_000
    steps: int = 18_000  # of each run
    batch_size: int = 48
    optimizer_name: str = field(default_factory=lambda: fast_optimizer(processor_dtype()))
    learning_rate: float = 1e-3
    warm_up: int = 200
    hold: float = 0.75  # the share of the steps at the full learning rate
    prediction_type: str = "v_prediction"
    snr_limit: float = 5.0  # of min-SNR weights; with 0 all timesteps count alike
    least_weight: float = 0.2  # no timestep counts less, so that the noisiest are not forgotten
    caption_dropout: float = 0.1  # the share of captions that are left empty
    snapshot_every: int = 5000  # steps; `python -m training curve` measures each
    ema: float = 0.9995


@dataclass(frozen=True)
class DistilSettings:
    """The student of the shipped U-Net; what is not here is as in `UnetSettings`."""

    seed: int = 7
    channels: tuple[int, ...] = (64, 128)  # of each stage; the teacher's middle is removed
    steps: int = 3000
    batch_size: int = 32
    optimizer_name: str = field(default_factory=lambda: fast_optimizer(processor_dtype()))
    learning_rate: float = 1e-3
    warm_up: int = 100
    output_weight: float = 1.0
    feature_weight: float = 1.0
    ema: float = 0.998
    evaluation_prompts: int = 100  # each picture's own and 99 others: R-precision as published


@dataclass(frozen=True)
class TurboSettings:
    """The student that draws in 1 to 4 steps."""

    seed: int = 17
    long_steps: int = 50  # of the teacher, from noise to picture; LCMScheduler takes 1 to 4 of them
    guidance_scale: float = 4.0  # of the teacher; the student has it in its weights
    steps: int = 1000
    batch_size: int = 32
    learning_rate: float = 2e-4
    warm_up: int = 100
    ema: float = 0.98


@dataclass(frozen=True)
class RestorerSettings:
    """The face restorer."""

    seed: int = 11
    channels: int = 32
    looks: tuple[tuple[int, int], ...] = ((32, 1), (64, 4), (32, 1), (64, 4), (32, 1))
    portrait_share: float = 0.7  # the others are stickers
    harm_weight: float = 0.002  # of a dB of making a picture worse, beside the squared error
    steps: int = 3200  # of each run
    batch_size: int = 4
    crop: int = 48  # pixels; two parts of each picture
    learning_rate: float = 1e-3
    ema: float = 0.998
    evaluation_pictures: int = 16  # for each line of the card


@dataclass(frozen=True)
class LoraSettings:
    """`stickers-golden`, which lesson 12 teaches: short enough to start over when it was killed."""

    seed: int = 13
    # Trials with the U-Net of the long run, twelve golden subjects, nine of them not among the
    # pictures: at 4e-3 six lost their shape or got another's (a house became a banana), at 2e-3
    # three. With 72 old pictures instead of 24 most were shapeless, at both rates.
    rank: int = 8
    # One trial of 60 steps on 18 golden pictures: the validation loss on 6 others fell from 0.347
    # to 0.338 with attention alone (rank 8, 8e-3), to 0.326 with convolutions too (rank 4, 4e-3).
    layers: tuple[str, ...] = ("to_q", "to_k", "to_v", "to_out.0", "conv1", "conv2")
    old_pictures: int = 24  # of the data set, so that it also learns when not to use gold
    steps: int = 1000
    batch_size: int = 4
    learning_rate: float = 2e-3
    evaluation_prompts: int = 12  # for each kind


def processor_dtype(about: Path = Path("/proc/cpuinfo")) -> str:
    """bfloat16 where the processor computes in it natively, else float32.

    Linux tells by the processor's flags. A processor without them multiplies matrices of bfloat16
    at a hundredth of the speed of float32, so where there is no such file the answer is float32.
    """
    flags = set(about.read_text().split()) if about.exists() else set()
    return "bfloat16" if flags & {"avx512_bf16", "amx_bf16", "bf16"} else "float32"


def fast_optimizer(dtype: str) -> str:
    """Muon computes in bfloat16, so it is fast only where the processor is."""
    return "muon" if dtype == "bfloat16" else "adamw"


@dataclass(frozen=True)
class Machine:
    """What to compute on."""

    device: str = "cpu"
    # What the forward passes compute in, by autocast; the weights and the optimizer stay float32.
    dtype: str = field(default_factory=processor_dtype)
    workers: int = 0  # processes that draw pictures ahead; 0 draws them in between


@dataclass(frozen=True)
class Preset:
    name: str
    machine: Machine = Machine()
    clip: ClipSettings = field(default_factory=lambda: ClipSettings(seed=1))
    judge: ClipSettings = field(
        default_factory=lambda: ClipSettings(seed=2, steps=1400, text_layers=2, text_width=128)
    )
    vae: VaeSettings = field(default_factory=VaeSettings)
    unet: UnetSettings = field(default_factory=UnetSettings)
    distil: DistilSettings = field(default_factory=DistilSettings)
    turbo: TurboSettings = field(default_factory=TurboSettings)
    restorer: RestorerSettings = field(default_factory=RestorerSettings)
    lora: LoraSettings = field(default_factory=LoraSettings)
    tokenizer_captions: int = 20_000  # that the tokenizer learns its words from
    # The pipeline's own; `evaluate` compares it with others at guidance 7.5, see the model card.
    scheduler: str = "DPMSolverMultistepScheduler"
    evaluation_pictures: int = 100  # for each guidance scale and each kind of picture
    evaluation_steps: int = 25  # in which each of them is drawn
    evaluation_rounds: int = 5  # in which one picture is timed
    vae_pictures: int = 200  # of each kind, whose PSNR is measured after the VAE
    curve_pictures: int = 20
    curve_validation: int = 320  # other pictures, on which the velocity's error is measured
    recipe_seconds: float = 1500.0  # of the processor, for each recipe that is compared
    recipe_batch_size: int = 32
    recipe_pictures: int = 4000  # of the small world that recipes are compared on
    recipe_validation: int = 160  # other pictures of it


CPU = Preset("cpu")
# Ten minutes of one large GPU: bfloat16, larger batches, many more pictures.
GPU = Preset(
    "gpu",
    evaluation_pictures=300,
    curve_pictures=150,
    machine=Machine("cuda", "bfloat16", workers=14),
    clip=replace(CPU.clip, steps=3000, batch_size=512),
    judge=replace(CPU.judge, steps=3000, batch_size=512),
    vae=replace(CPU.vae, steps=12_000, batch_size=64, crop=128, ema=0.999),
    unet=replace(
        CPU.unet, latent_pictures=120_000, steps=30_000, batch_size=256, optimizer_name="muon"
    ),
    distil=replace(CPU.distil, steps=15_000, batch_size=256, optimizer_name="muon"),
    turbo=replace(CPU.turbo, steps=15_000, batch_size=256),
    restorer=replace(CPU.restorer, steps=8000, batch_size=64, evaluation_pictures=100),
)
# A few seconds of everything, on few pictures: the tests run the whole recipe with it.
TINY = Preset(
    "tiny",
    tokenizer_captions=500,
    evaluation_pictures=3,
    evaluation_steps=2,
    evaluation_rounds=1,
    vae_pictures=20,
    curve_pictures=2,
    curve_validation=4,
    recipe_seconds=0.1,
    recipe_batch_size=2,
    recipe_pictures=8,
    recipe_validation=4,
    machine=Machine("cpu", "float32"),
    clip=ClipSettings(1, steps=3, batch_size=4, text_layers=1, text_width=32, text_heads=2),
    judge=ClipSettings(2, steps=3, batch_size=4, text_layers=1, text_width=32, text_heads=2),
    vae=VaeSettings(
        channels=(8, 12, 12, 16), steps=3, batch_size=2, decoder_steps=2, measured_pictures=32
    ),
    unet=UnetSettings(
        channels=(16, 32),
        latent_pictures=8,
        steps=3,
        batch_size=2,
        optimizer_name="muon",
        warm_up=1,
        snapshot_every=2,
    ),
    distil=DistilSettings(
        channels=(16, 16),
        steps=3,
        batch_size=2,
        optimizer_name="muon",
        warm_up=1,
        evaluation_prompts=3,
    ),
    turbo=TurboSettings(steps=3, batch_size=2, warm_up=1),
    restorer=RestorerSettings(
        channels=8, looks=((8, 1), (8, 4)), steps=3, batch_size=2, evaluation_pictures=1
    ),
    lora=LoraSettings(rank=2, steps=3, batch_size=2, evaluation_prompts=2),
)
PRESETS = {preset.name: preset for preset in (CPU, GPU, TINY)}


def changed(preset: Preset, stage: str, **settings) -> Preset:
    """The preset with some settings of one stage replaced."""
    return replace(preset, **{stage: replace(getattr(preset, stage), **settings)})
