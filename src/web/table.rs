//! A table as a file.

use super::problem::Problem;

/// A list of rows as CSV, with a header. What a spreadsheet would take for a formula is kept from it by an apostrophe.
pub(super) fn csv(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> Result<String, Problem> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let failed = |error: &dyn std::error::Error| Problem::failed("cannot write a table", error);
    writer.write_record(header).map_err(|error| failed(&error))?;
    for row in rows {
        writer
            .write_record(row.into_iter().map(harmless))
            .map_err(|error| failed(&error))?;
    }
    let bytes = writer.into_inner().map_err(|error| failed(error.error()))?;
    String::from_utf8(bytes).map_err(|error| failed(&error))
}

fn harmless(cell: String) -> String {
    match cell.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        true => format!("'{cell}"),
        false => cell,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_formulas_are_text() {
        let rows = [vec!["=1+1".to_owned(), "a \"b\", c\nd".to_owned()]];
        let Ok(text) = csv(&["one", "two"], rows) else {
            panic!("a table is written")
        };
        insta::assert_snapshot!(text, @r#"
        one,two
        '=1+1,"a ""b"", c
        d"
        "#);
    }
}
