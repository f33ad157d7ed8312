"""Questions put to a model server in its own protocol: does the model answer, and does it answer rightly.

A protocol only says which questions to ask and how to read an answer; asking, time limits and sizes are the same for
all. Only status codes are believed where a protocol leaves bodies open, and an answer is a prediction only when all of
it can be read as one, and matches the schema that the release declares. What the candidate fails to answer is an
outcome, not an error: `ProbeError` is kept for when neither arm gave any evidence. Bodies are never passed on; what
leaves here are counts, values and a few shortened examples.

Golden sets come from text, tables and stores; `matching` says when a prediction is right, `scoring` and `fairness` say
how good all of them are together. These three are pure.
"""

from slipway.probes.agreement import Agreement, agreement
from slipway.probes.custom import CustomHTTP
from slipway.probes.fairness import groups_of, hit_shares, positive_shares
from slipway.probes.golden import GoldenSet, GoldenSetError, Reason, read_golden_set, shuffled
from slipway.probes.inference import Prediction, Readiness, model_ready, predict
from slipway.probes.kserve_v1 import KServeV1
from slipway.probes.large import Buffer, LargeSet, read_large_set
from slipway.probes.loading import Loaded, load_golden_set, map_file
from slipway.probes.matching import Match, embedding_within, exact, most_likely, same_text, within
from slipway.probes.mlflow import MLflow
from slipway.probes.open_inference import OpenInferenceV2
from slipway.probes.openai import OpenAIChat, OpenAICompletions
from slipway.probes.pace import Pace
from slipway.probes.protocol import GoldenItem, InferenceProtocol, Question, Scalar
from slipway.probes.registry import PROTOCOLS
from slipway.probes.replay import Asked, Outcome, ProbeError, Replay, replay, sliced
from slipway.probes.rows import Format
from slipway.probes.schema import BodySchema, SchemaError, schema_problem
from slipway.probes.scores import balanced, balanced_scores, f1_cells, loss_scores
from slipway.probes.scoring import HIGHER_IS_BETTER, Metric, Score, label_of, match_rate, score
from slipway.probes.torchserve import TorchServe

__all__ = [
    "HIGHER_IS_BETTER",
    "PROTOCOLS",
    "Agreement",
    "Asked",
    "BodySchema",
    "Buffer",
    "CustomHTTP",
    "Format",
    "GoldenItem",
    "GoldenSet",
    "GoldenSetError",
    "InferenceProtocol",
    "KServeV1",
    "LargeSet",
    "Loaded",
    "MLflow",
    "Match",
    "Metric",
    "OpenAIChat",
    "OpenAICompletions",
    "OpenInferenceV2",
    "Outcome",
    "Pace",
    "Prediction",
    "ProbeError",
    "Question",
    "Readiness",
    "Reason",
    "Replay",
    "Scalar",
    "SchemaError",
    "Score",
    "TorchServe",
    "agreement",
    "balanced",
    "balanced_scores",
    "f1_cells",
    "loss_scores",
    "embedding_within",
    "exact",
    "groups_of",
    "hit_shares",
    "label_of",
    "load_golden_set",
    "map_file",
    "match_rate",
    "model_ready",
    "most_likely",
    "predict",
    "positive_shares",
    "read_golden_set",
    "read_large_set",
    "replay",
    "same_text",
    "score",
    "schema_problem",
    "shuffled",
    "sliced",
    "within",
]
