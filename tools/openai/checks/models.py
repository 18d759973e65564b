"""The list of models, and asking each."""
import openai

from checking import Server, check, equal, expect


@check("models", "the list has the model, each entry whole")
def listed(server: Server) -> str:
    models = server.client.models.list().data
    expect(server.model in [m.id for m in models], f"{server.model!r} is not among {[m.id for m in models]}")
    equal("ids that occur once", len({m.id for m in models}), len(models))
    for model in models:
        equal("object", model.object, "model")
        expect(isinstance(model.created, int) and model.created >= 0, f"{model.id}: created is {model.created!r}")
        expect(isinstance(model.owned_by, str) and model.owned_by, f"{model.id}: owned_by is {model.owned_by!r}")
    return ", ".join(m.id for m in models[:6]) + ", .." * (len(models) > 6)


@check("models", "a model alone is as in the list")
def alone(server: Server) -> None:
    for model in server.client.models.list().data[:6]:
        equal(model.id, server.client.models.retrieve(model.id).to_dict(), model.to_dict())


@check("models", "every model of the list answers (the first 4)")
def each_answers(server: Server) -> None:
    ids = [m.id for m in server.client.models.list().data]
    for name in ids[:4]:
        answer = server.chat("Hello", model=name, max_tokens=4)
        expect(answer.choices[0].message.content is not None, f"{name}: no text")
        expect(answer.model in ids, f"{name}: the answer's model is {answer.model!r}, which the list does not have")


@check("models", "a model that is not there: 404, model_not_found")
def not_there(server: Server) -> None:
    tries = {
        "models": lambda: server.client.models.retrieve("no-such-model"),
        "chat": lambda: server.chat("Hello", model="no-such-model"),
        "completions": lambda: server.complete("Hello", model="no-such-model"),
    }
    for what, ask in tries.items():
        try:
            ask()
        except openai.NotFoundError as error:
            equal(f"{what}: code", error.code, "model_not_found")
            expect("no-such-model" in error.message, f"{what}: the message does not name it: {error.message}")
        else:
            expect(False, f"{what}: answered")
