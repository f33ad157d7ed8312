"""``spec.release.protocol``: how the model is asked. It belongs to the release: another protocol is another release."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from slipway.api.common import SpecModel, Text1024, validations

HttpPath = Annotated[str, Field(min_length=1, max_length=1024, pattern=r"^/[!-~]*$")]


class CustomProtocol(SpecModel):
    """Any HTTP API that takes JSON and gives JSON."""

    path: Annotated[HttpPath, Field(description="Path of a prediction; {{model}} becomes the model's name.")]
    ready_path: Annotated[
        HttpPath, Field(description="Path that is answered with 2xx when the model can be asked, with {{model}} alike.")
    ]
    template: Annotated[
        str,
        Field(
            min_length=2,
            max_length=16384,
            description='The body, as the text of a JSON document in which "{{inputs}}" becomes the inputs of an item, "{{inputs.name}}" one of their fields, "{{id}}" and "{{model}}" what they say.',
        ),
    ]
    output: Annotated[Text1024, Field(description="JSONPath of the prediction in the answer.")]
    method: Annotated[
        Literal["POST", "PUT", "PATCH"] | None, Field(description="HTTP method of a prediction. Default: POST.")
    ] = None


class ProtocolSpec(SpecModel):
    """The inference protocol of the model's server, in which readiness and golden sets are asked."""

    model_config = validations(
        (
            "(self.name == 'CustomHTTP') == has(self.custom)",
            "custom describes the protocol CustomHTTP: name both or neither",
        )
    )

    name: Annotated[
        Literal["OpenInferenceV2", "KServeV1", "MLflow", "OpenAIChat", "OpenAICompletions", "TorchServe", "CustomHTTP"],
        Field(description="Which protocol the server speaks."),
    ]
    custom: CustomProtocol | None = None
