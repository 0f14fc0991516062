"""SQLModel: `add_all` a page, `select` for reading."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from ..run import Job, run_and_print
from .company import BOOLEANS, DATES, KEY, LISTS, NUMBERS, OBJECTS, TEXTS, keys, pages


def _model() -> Any:
    from sqlmodel import JSON, Field, SQLModel

    annotations: dict[str, Any] = {"id": str}
    fields: dict[str, Any] = {"id": Field(primary_key=True)}
    for names, kind in (
        (TEXTS, str),
        (NUMBERS, float),
        (BOOLEANS, bool),
        (DATES, datetime),
        (LISTS, list),
        (OBJECTS, dict),
    ):
        for name in names:
            annotations[name] = kind | None
            json: dict[str, Any] = {"sa_type": JSON} if kind in (list, dict) else {}
            fields[name] = Field(default=None, index=name == KEY, **json)
    body = {"__annotations__": annotations, "__module__": __name__, "__tablename__": "company", **fields}
    kind_of_models: Any = type(SQLModel)
    return kind_of_models("Company", (SQLModel,), body, table=True)


def _engine(where: str) -> Any:
    from sqlmodel import create_engine, text

    engine = create_engine(f"sqlite:///{where}")
    with engine.connect() as connection:
        connection.execute(text("PRAGMA journal_mode=WAL"))
    return engine


def store(url: str, where: str, rows: str) -> Job:
    """A session a page; a table's class checks nothing when it is called, so that dates are parsed by `model_validate`."""
    import orjson
    from sqlmodel import Session, SQLModel, func, select

    company, engine = _model(), _engine(where)
    SQLModel.metadata.create_all(engine)

    def job() -> dict[str, Any]:
        for page in pages(url, orjson.loads):
            with Session(engine) as session:
                session.add_all([company.model_validate({**wire, "id": wire["_id"]}) for wire in page])
                session.commit()
        with Session(engine) as session:
            return {"rows": session.exec(select(func.count()).select_from(company)).one()}

    return job


def _reading(where: str, read: Callable[[Any, Any], Any]) -> Job:
    from sqlmodel import Session, select

    company, engine = _model(), _engine(where)
    session = Session(engine)
    session.exec(select(company).limit(1)).first()
    return lambda: {"rows": len(read(session, company))}


def objects(url: str, where: str, rows: str) -> Job:
    from sqlmodel import select

    def read(session: Any, company: Any) -> list[Any]:
        found = session.exec(select(company).order_by(company.id).execution_options(yield_per=1000))
        return [(item.name, item.mrr, item.updatedAt) for item in found]

    return _reading(where, read)


def only(url: str, where: str, rows: str) -> Job:
    from sqlalchemy.orm import load_only
    from sqlmodel import select

    def read(session: Any, company: Any) -> list[Any]:
        chosen = select(company).options(load_only(company.name, company.mrr, company.updatedAt))
        found = session.exec(chosen.order_by(company.id).execution_options(yield_per=1000))
        return [(item.name, item.mrr, item.updatedAt) for item in found]

    return _reading(where, read)


def _columns(session: Any, company: Any) -> Any:
    from sqlmodel import select

    return session.exec(select(company.name, company.mrr, company.updatedAt).order_by(company.id))


def values(url: str, where: str, rows: str) -> Job:
    return _reading(where, lambda session, company: list(map(dict, _columns(session, company).mappings())))


def values_list(url: str, where: str, rows: str) -> Job:
    return _reading(where, lambda session, company: _columns(session, company).all())


def get(url: str, where: str, rows: str) -> Job:
    from sqlmodel import select

    drawn = keys(int(rows))

    def read(session: Any, company: Any) -> list[str]:
        return [session.exec(select(company).where(company.externalId == key)).one().name for key in drawn]

    return _reading(where, read)


if __name__ == "__main__":
    jobs = (store, objects, only, values, values_list, get)
    run_and_print({job.__name__: job for job in jobs})
