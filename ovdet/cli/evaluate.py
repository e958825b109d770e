"""Measure results of any library by a published protocol.

ovdet evaluate instances_val2017.json results.json --protocol coco --iou-type segm
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ovdet.evaluation.names import ABSENT, BACKENDS, KINDS, PROTOCOLS

if TYPE_CHECKING:
    from ovdet.evaluation.protocols import Answer, Question

SUMMARY = "measure results of any library by a published protocol"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    known = "\n".join(f"  {name:18} {about}" for name, about in PROTOCOLS.items())
    parser.epilog = f"protocols:\n{known}"
    parser.add_argument("truth", type=Path, metavar="GT.json", help="annotations, or a folder")
    parser.add_argument("results", type=Path, metavar="RESULTS.json", help="results, or a folder")
    parser.add_argument("--protocol", required=True, choices=PROTOCOLS, metavar="NAME")
    parser.add_argument("--iou-type", choices=KINDS, help="what of a detection is compared; bbox")
    parser.add_argument(
        "--novel",
        metavar="FILE_OR_@NAME",
        help="a vocabulary that says which classes are novel; with label maps, which there are",
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="also write the scores and a report"
    )
    parser.add_argument("--images", type=Path, metavar="DIR", help="pictures for the report")
    parser.add_argument(
        "--partial", action="store_true", help="leave out results of unknown images and classes"
    )
    parser.add_argument(
        "--absent",
        choices=ABSENT,
        default="skip",
        help="label maps: which classes without a pixel in the truth count; skip",
    )
    parser.add_argument(
        "--last",
        type=int,
        metavar="CLASS",
        help="label maps: this class, from 0 on, also takes all answers beyond it",
    )
    parser.add_argument("--backend", choices=BACKENDS, default="hotcoco", help="hotcoco")


def run(options: argparse.Namespace) -> int:
    """Measure, print the figures, and write them where ``--out`` says so."""
    from ovdet.evaluation.protocols import ask, find_protocol, headline
    from ovdet.evaluation.scores import table

    question = read_question(options)
    answer = ask(options.protocol, question)
    protocol = find_protocol(options.protocol)
    kind = f" {question.kind}" if protocol.kinds else ""
    print(f"{options.protocol}{kind}: {headline(protocol, answer.figures)}")
    for note in answer.notes:
        print(f"note: {note}")
    print("\n".join(table(answer.figures)))
    for path in write(options, question, answer) if options.out else ():
        print(f"written to {path}")
    return 0


def read_question(options: argparse.Namespace) -> "Question":
    """Return what is asked; a vocabulary is read only where the protocol or the user names one."""
    from ovdet.evaluation.protocols import Question, find_protocol

    protocol = find_protocol(options.protocol)
    named = options.novel or protocol.vocabulary
    vocabulary = None
    if named:
        from ovdet.data.splits import read_vocabulary

        vocabulary = read_vocabulary(named)
    return Question(
        options.truth,
        options.results,
        options.iou_type or (protocol.kinds or ("bbox",))[0],
        vocabulary,
        options.partial,
        options.backend,
        classes=options.out is not None,
        absent=options.absent,
        last=options.last,
    )


def write(options: argparse.Namespace, question: "Question", answer: "Answer") -> list[Path]:
    """Write the scores and, where detections were measured, a report; return the files."""
    from ovdet.evaluation import write_report
    from ovdet.evaluation.scores import write_scores

    written = write_scores(options.out, options.protocol, question, answer)
    if answer.truth is not None and answer.found is not None:
        written += write_report(
            options.out,
            answer.truth,
            answer.found,
            question.kind,
            options.images,
            answer.novel_ids,
            fixed=answer.fixed,
        )
    return written
