"""Writes a bulletin as a file: markdown, text, html, pdf or docx. Every byte depends on the bulletin alone."""

import datetime
import html
import zipfile
from io import BytesIO
from pathlib import Path

from language.documents import Document

# Files carry this time, so that making them twice gives the same bytes.
TIME = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)

# A block of a passage: its sort (heading, list, table, text) and its lines; a table's line holds two cells, split by a tab.
Block = tuple[str, list[str]]


def blocks(passage: str) -> list[Block]:
    """Takes a passage apart."""
    out: list[Block] = []
    for line in passage.splitlines():
        if line.startswith("## "):
            out.append(("heading", [line[3:]]))
        elif line.startswith("- "):
            _extend(out, "list", line[2:])
        elif line.startswith("|"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if any(cells) and not set("".join(cells)) <= {"-"}:
                _extend(out, "table", "\t".join(cells))
        elif line.strip():
            out.append(("text", [line]))
    return out


def _extend(out: list[Block], sort: str, line: str) -> None:
    if not out or out[-1][0] != sort:
        out.append((sort, []))
    out[-1][1].append(line)


def markdown(document: Document, path: Path) -> None:
    """The passage is markdown already."""
    path.write_text(f"# {document.title}\n\n{document.passage}\n")


def text(document: Document, path: Path) -> None:
    """Plain lines; a table becomes `Label: value`."""
    lines = [document.title, "=" * len(document.title)]
    for sort, own in blocks(document.passage):
        lines.append("")
        lines += [f"- {one}" for one in own] if sort == "list" else [one.replace("\t", ": ") for one in own]
    path.write_text("\n".join(lines) + "\n")


def page(document: Document, path: Path) -> None:
    """A small html page."""
    tags = {"heading": "<h2>{}</h2>", "text": "<p>{}</p>", "list": "<li>{}</li>", "table": "<tr><th>{}</th><td>{}</td></tr>"}
    around = {"list": "ul", "table": "table"}
    body = []
    for sort, own in blocks(document.passage):
        inner = "\n".join(tags[sort].format(*(html.escape(cell) for cell in line.split("\t"))) for line in own)
        body.append(f"<{around[sort]}>\n{inner}\n</{around[sort]}>" if sort in around else inner)
    title = html.escape(document.title)
    path.write_text(f'<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8"><title>{title}</title></head>\n<body>\n<h1>{title}</h1>\n'
                    + "\n".join(body) + "\n</body>\n</html>\n")


def pdf(document: Document, path: Path) -> None:
    """One page of pdf."""
    from fpdf import FPDF

    sheet = FPDF(format="A4")
    sheet.set_creation_date(TIME)
    sheet.set_title(document.title)
    sheet.add_page()

    def line(words: str, size: int, style: str = "") -> None:
        sheet.set_font("Helvetica", style, size)
        sheet.multi_cell(0, size * 0.6, words, new_x="LMARGIN", new_y="NEXT")
        sheet.ln(2)

    line(document.title, 18, "B")
    for sort, own in blocks(document.passage):
        for one in own:
            line(("- " if sort == "list" else "") + one.replace("\t", ": "), 13 if sort == "heading" else 11, "B" if sort == "heading" else "")
    sheet.output(str(path))


def docx(document: Document, path: Path) -> None:
    """A Word file."""
    from docx import Document as Word

    word = Word()
    word.core_properties.title, word.core_properties.author = document.title, ""
    word.core_properties.created = word.core_properties.modified = TIME
    word.add_heading(document.title, 1)
    for sort, own in blocks(document.passage):
        if sort == "table":
            table = word.add_table(rows=0, cols=2)
            for one in own:
                for cell, words in zip(table.add_row().cells, one.split("\t"), strict=True):
                    cell.text = words
            continue
        for one in own:
            if sort == "heading":
                word.add_heading(one, 2)
            else:
                word.add_paragraph(one, style="List Bullet" if sort == "list" else None)
    buffer = BytesIO()
    word.save(buffer)
    with zipfile.ZipFile(buffer) as made, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for name in made.namelist():
            out.writestr(zipfile.ZipInfo(name, TIME.timetuple()[:6]), made.read(name), zipfile.ZIP_DEFLATED)


WRITERS = {"md": markdown, "txt": text, "html": page, "pdf": pdf, "docx": docx}
