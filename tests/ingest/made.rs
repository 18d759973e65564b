//! Files made for the tests: PDFs by hand, ZIP archives that are bombs.

use std::io::{Cursor, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// A PDF whose pages show the given lines, each with the size of its letters, 1.2 sizes apart.
pub(crate) fn pdf(pages: &[Vec<(u32, &str)>]) -> Vec<u8> {
    let contents = pages.iter().map(|lines| {
        let mut content = "BT 50 780 Td\n".to_string();
        for (size, text) in lines {
            let text = text.replace('\\', "\\\\").replace('(', "\\(").replace(')', "\\)");
            content.push_str(&format!("/F1 {size} Tf 0 -{:.1} Td ({text}) Tj\n", f64::from(*size) * 1.2));
        }
        content + "ET"
    });
    pdf_of(&contents.collect::<Vec<_>>(), "", "")
}

/// A PDF of pages with these content streams, more objects (number 4 on) and more of the trailer.
pub(crate) fn pdf_of(contents: &[String], objects: &str, trailer: &str) -> Vec<u8> {
    let first = 10;
    let kids: Vec<String> = (0..contents.len()).map(|i| format!("{} 0 R", first + 2 * i)).collect();
    let mut all = vec![
        "1 0 obj <</Type/Catalog/Pages 2 0 R>> endobj".to_string(),
        format!("2 0 obj <</Type/Pages/Count {}/Kids[{}]>> endobj", kids.len(), kids.join(" ")),
        "3 0 obj <</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>> endobj".to_string(),
        objects.to_string(),
    ];
    for (i, content) in contents.iter().enumerate() {
        let (page, stream) = (first + 2 * i, first + 2 * i + 1);
        all.push(format!(
            "{page} 0 obj <</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents {stream} 0 R\
             /Resources<</Font<</F1 3 0 R>>>>>> endobj"
        ));
        all.push(format!("{stream} 0 obj <</Length {}>> stream\n{content}\nendstream endobj", content.len()));
    }
    all.retain(|object| !object.is_empty());
    let (mut out, mut places) = ("%PDF-1.4\n".to_string(), String::new());
    for object in &all {
        let number = object.split(' ').next().unwrap();
        places.push_str(&format!("{number} 1\n{:010} 00000 n \n", out.len()));
        out.push_str(&format!("{object}\n"));
    }
    let (table, size) = (out.len(), first + 2 * contents.len());
    out.push_str(&format!(
        "xref\n0 1\n0000000000 65535 f \n{places}trailer <</Size {size}/Root 1 0 R{trailer}>>\n"
    ));
    format!("{out}startxref\n{table}\n%%EOF\n").into_bytes()
}

/// A PDF that asks for a password (its keys fit none).
pub(crate) fn encrypted_pdf() -> Vec<u8> {
    let key = "5a".repeat(32);
    let encrypt = format!("5 0 obj <</Filter/Standard/V 2/R 3/Length 128/P -4/O<{key}>/U<{key}>>> endobj");
    pdf_of(&["BT ET".to_string()], &encrypt, "/Encrypt 5 0 R/ID[<00><00>]")
}

/// An archive of these parts.
pub(crate) fn zip(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in parts {
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
        archive.start_file(*name, options).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// A DOCX whose body is `xml`.
pub(crate) fn docx(xml: &str) -> Vec<u8> {
    let document = format!("<w:document xmlns:w=\"w\"><w:body>{xml}</w:body></w:document>");
    zip(&[("word/document.xml", document.as_bytes())])
}
