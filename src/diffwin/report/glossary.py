"""Terms of the report in plain words, and the papers behind them."""

from __future__ import annotations

from typing import Final

GLOSSARY: Final = (
    (
        "Base, regeneration",
        "A base is a finished picture of this model. A regeneration is what comes out when noise is put back onto the "
        "base up to some point and the model finishes it again from there.",
    ),
    (
        "Survival",
        "The share of regenerations in which a feature reads the same as on their base. It is 100 % where no noise is "
        "put back and falls as more of the picture is erased.",
    ),
    (
        "Floor",
        "How often two unrelated pictures of the same prompt agree on the feature by chance. Survival falls to the "
        "floor, not to zero; with two equally common labels it is 50 %.",
    ),
    (
        "Fitted curve",
        "One curve through all points of a feature; its window is read off it. The two-component curve is the exact "
        "law of two clusters of pictures, moved and stretched along log-SNR until it fits, and bent where survival "
        "rises more steeply on one side; how far it may bend is part of the intervals. Where it does not fit, a curve "
        "of several such rises, which never falls from noise to image, takes its place.",
    ),
    (
        "Correction",
        "A program that reads a feature errs now and then. Where its errors have been measured, survival is shown as "
        "it would be without them, and the intervals grow by what is unsure about them.",
    ),
    (
        "Onset",
        "Read from noise to image: where survival has climbed a quarter of the way from the floor to 100 %. The "
        "picture begins to commit itself.",
    ),
    ("Decision", "Where survival is halfway between the floor and 100 %: the single point that answers “when”."),
    ("End", "Where survival has climbed three quarters of the way. After it, little can change the feature."),
    (
        "Steps done",
        "A picture is made in a fixed number of denoising steps, from noise to image. 40 % means that four tenths of "
        "them lie behind, counted on this run's own grid of steps.",
    ),
    (
        "Log-SNR",
        "The natural logarithm of signal power over noise power. 0 means as much picture as noise; below 0 noise "
        "prevails. Steps differ from one model and schedule to the next, log-SNR does not: compare windows on it.",
    ),
    (
        "Settled",
        "Of two features, that their decisions lie apart by more than chance explains, with 95 % confidence for all "
        "pairs of the prompt at once.",
    ),
    (
        "Nat",
        "The unit of information that belongs to the natural logarithm: 1.44 bits. To name one of two equally common "
        "labels takes 0.69 nats, one of ten 2.30.",
    ),
    (
        "Interval",
        "A 95 % range, found by drawing the bases again at random many times. Regenerations of one base resemble each "
        "other, so the base is what counts, not the regeneration.",
    ),
)
PERCEIVED: Final = (
    "Perceived",
    "What a viewer, or here a program, reads off a picture. A generated picture has no gender, skin tone or age of its "
    "own, and the reading says nothing about how anyone describes themselves.",
)
PREDICTED: Final = (
    "Predicted",
    "Where the law of the pictures is known exactly, as in a mixture or a set of images, survival can be computed "
    "without generating anything; a sampler that draws from that law must reproduce it.",
)
PAPERS: Final = (
    (
        "M. Li and S. Chen, “Critical windows: non-asymptotic theory for feature emergence in diffusion models”, 2024",
        "arXiv:2403.01633",
        "https://arxiv.org/abs/2403.01633",
    ),
    (
        "M. Li, A. Karan and S. Chen, “Blink of an eye: a simple theory for feature localization in generative "
        "models”, 2025",
        "arXiv:2502.00921",
        "https://arxiv.org/abs/2502.00921",
    ),
)
