//! Tables in plain text.

use super::style::plain;

/// A line a row: columns as wide as their widest cell, the last one as wide as it is. Styles take no room.
pub fn lines(rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widest = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| width(cell)).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(widest).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths);
        let padded = cells.map(|(cell, wide)| format!("{cell}{}", " ".repeat(wide - width(cell))));
        let line = padded.collect::<Vec<_>>().join("  ");
        line.trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// All lines, each with its end.
pub fn table(rows: &[Vec<String>]) -> String {
    lines(rows).into_iter().map(|line| line + "\n").collect()
}

/// Characters that are seen.
pub fn width(text: &str) -> usize {
    plain(text).chars().count()
}

/// A text without styles, cut where it is longer than `most` characters.
pub fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::style::{GREEN, paint};

    #[test]
    fn columns_are_as_wide_as_what_is_seen() {
        let rows = [
            vec![paint(GREEN, "✓"), "long name".to_owned(), "x".to_owned()],
            vec![String::new(), "a".to_owned(), "a long end".to_owned()],
            vec!["✗".to_owned(), "alone".to_owned()],
        ];
        assert_eq!(
            plain(&table(&rows)),
            "✓  long name  x\n   a          a long end\n✗  alone\n"
        );
    }

    #[test]
    fn a_long_text_is_cut_at_its_end() {
        assert_eq!(cut("as it is", 8), "as it is");
        assert_eq!(cut("as it is not", 7), "as it…");
    }
}
