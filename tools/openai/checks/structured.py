"""JSON that fits: json_object, json_schema feature by feature, the client's own parse()."""
import functools
import json
from typing import Any, Literal

import jsonschema
import openai
import pydantic

from checking import Failed, Server, check, chosen, equal, expect, text_of, whole_error

COLOURS = {"enum": ["red", "green", "blue"]}


def obj(**properties: Any) -> dict[str, Any]:
    """A closed object with all of these required, as strict mode wants it."""
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


# What OpenAI's structured outputs support. https://platform.openai.com/docs/guides/structured-outputs
SCHEMAS: dict[str, dict[str, Any]] = {
    "enum, const": obj(colour=COLOURS, kind={"const": "bridge"}),
    "boolean, null": obj(open={"enum": [True, False]}, old={"type": "boolean"}, toll={"type": "null"}),
    "integer": obj(year={"type": "integer"}),
    "number": obj(length={"type": "number"}),
    "string": obj(name={"type": "string"}),
    "array": obj(colours={"type": "array", "items": COLOURS}),
    "nested objects": obj(bridge=obj(colour=COLOURS, pier=obj(old={"type": "boolean"})), done={"type": "boolean"}),
    "a type or null": obj(toll={"type": ["integer", "null"]}, old={"type": "boolean"}),
    "anyOf": obj(value={"anyOf": [{"type": "boolean"}, obj(colour=COLOURS)]}),
    "$defs and $ref": obj(a={"$ref": "#/$defs/colour"}, b={"$ref": "#/$defs/colour"}) | {"$defs": {"colour": COLOURS}},
}
# What closes an answer that a small model would go on with for ever.
CLOSED_BY = {"integer": ["}", "0}"], "number": ["}", "0}"], "string": ['"}', 'n"}', '0"}', '00"}', '000"}', '0000"}']}
# May be refused by a 400 that names response_format, but not left out of account.
LIMITS: dict[str, dict[str, Any]] = {
    "minItems, maxItems": obj(colours={"type": "array", "items": COLOURS, "minItems": 2, "maxItems": 3}),
    "minimum, maximum": obj(month={"type": "integer", "minimum": 1, "maximum": 12}),
    "minLength, maxLength": obj(name={"type": "string", "minLength": 2, "maxLength": 6}),
    "pattern": obj(code={"type": "string", "pattern": "^[A-Z]{2}[0-9]{3}$"}),
    "properties that may be missing": {"type": "object", "properties": {"a": COLOURS, "b": {"type": "boolean"}}, "required": ["a"],
                                       "additionalProperties": False},
    "a root that is an array": {"type": "array", "items": COLOURS, "minItems": 1, "maxItems": 3},
    "a schema that calls itself": {"$ref": "#/$defs/node", "$defs": {"node": obj(
        old={"type": "boolean"}, next={"anyOf": [{"type": "null"}, {"$ref": "#/$defs/node"}]})}},
}


def response_format(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": schema}}


def misfit(text: str, schema: dict[str, Any]) -> str | None:
    """Why a text is not JSON of the schema; None where it is."""
    try:
        jsonschema.validate(json.loads(text), schema, cls=jsonschema.Draft202012Validator)
    except (ValueError, jsonschema.ValidationError) as error:
        return str(error).splitlines()[0]
    return None


def answers(server: Server, form: dict[str, Any], schema: dict[str, Any], closed_by: tuple[str, ...] = ()) -> str | None:
    """Greedy and drawn answers. Each must fit; one that max_tokens cut must when closed, if it is known how, else one must be whole."""
    cut, tried, most = 0, 0, 6 if closed_by else 20
    # A small model may lose itself in a text; it then gets more seeds.
    while tried < 6 or (tried == cut and tried < most):
        settings = {"temperature": 1, "seed": tried} if tried else {"temperature": 0}
        tried += 1
        answer = server.chat(server.question, response_format=form, max_tokens=200, **settings)
        text = text_of(answer)
        if chosen(answer).finish_reason == "length":
            expect(text.lstrip()[:1] in ("", "{", "["), f"{settings}: {text[:80]!r} is no JSON")
            whys = [misfit(text + closing, schema) for closing in closed_by]
            expect(not whys or None in whys, f"{settings}: cut, and however it is closed: {whys and whys[0]}: {text!r}")
            cut += 1
        elif why := misfit(text, schema):
            raise Failed(f"{settings}: {why}: {text[:120]!r}")
    expect(closed_by or cut < tried, f"none of {tried} answers came to an end within 200 tokens; the last: {text[:80]!r}")
    return f"{cut} of {tried} were cut by max_tokens" if cut else None


@check("JSON", "json_object: an object, greedy and drawn")
def json_object(server: Server) -> str | None:
    return answers(server, {"type": "json_object"}, {"type": "object"})


def enter_schemas() -> None:
    """One check for each schema."""
    for name, schema in SCHEMAS.items():
        check("JSON", f"json_schema: {name}")(functools.partial(whole, schema, tuple(CLOSED_BY.get(name, ()))))
    for name, schema in LIMITS.items():
        check("JSON", f"json_schema: {name}: fits, or is refused")(functools.partial(or_refused, schema))


def whole(schema: dict[str, Any], closed_by: tuple[str, ...], server: Server) -> str | None:
    return answers(server, response_format(schema), schema, closed_by)


def or_refused(schema: dict[str, Any], server: Server) -> str | None:
    try:
        return answers(server, response_format(schema), schema)
    except openai.BadRequestError as error:
        expect((error.param or "").startswith("response_format"), f"refused, but param is {error.param!r}: {error.message}")
        return f"refused: {error.message}"


enter_schemas()


class Bridge(pydantic.BaseModel):
    """What parse() is asked to fill in."""

    colour: Literal["red", "green", "blue"]
    old: bool


@check("JSON", "the client's parse() gives an object")
def parse(server: Server) -> str:
    got = server.client.chat.completions.parse(model=server.model, messages=[{"role": "user", "content": server.question}],
                                               response_format=Bridge, temperature=0, max_tokens=200)
    expect(isinstance(got.choices[0].message.parsed, Bridge), f"parsed is {got.choices[0].message.parsed!r}")
    return str(got.choices[0].message.parsed)


@check("JSON", "streamed, it is the same text")
def streamed(server: Server) -> None:
    asked = {"response_format": response_format(SCHEMAS["enum, const"]), "max_tokens": 200}
    pieces = [c.delta.content or "" for chunk in server.chat(server.question, stream=True, **asked) for c in chunk.choices]
    equal("text", "".join(pieces), text_of(server.chat(server.question, **asked)))


@check("JSON", "a schema that is none, or a form that is none: 400 for response_format")
def refused(server: Server) -> None:
    wrong = {
        "type nonsense": response_format({"type": "nonsense"}),
        "no schema": {"type": "json_schema"},
        "a $ref to nowhere": response_format(obj(a={"$ref": "#/$defs/missing"})),
        "form nonsense": {"type": "nonsense"},
        "a number": 7,
    }
    for name, form in wrong.items():
        got = server.post("chat/completions", {"model": server.model, "messages": [{"role": "user", "content": "Hello"}],
                                               "max_tokens": 8, "response_format": form})
        equal(f"{name}: status", got.status_code, 400)
        param = whole_error(name, got)["param"]
        expect((param or "").startswith("response_format"), f"{name}: param is {param!r}")
