//! Lines on a terminal: wrapping, indenting, colour.

use unicode_width::UnicodeWidthChar;

/// How text is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextStyle {
    /// Columns; what is below 60 counts as 60, what is above 160 as 160.
    pub width: u16,
    /// Whether ANSI colours may be used.
    pub color: bool,
}

impl Default for TextStyle {
    /// 100 columns, no colour: for files and pipes.
    fn default() -> Self {
        Self {
            width: 100,
            color: false,
        }
    }
}

/// The colour of a word, by what it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ink {
    /// As the terminal has it.
    Plain,
    /// A name, a heading.
    Strong,
    /// What is only there for completeness.
    Faint,
    /// Grave, or cannot be undone.
    Alarm,
    /// To be watched.
    Caution,
    /// Due, or well.
    Good,
    /// Unknown.
    Doubt,
    /// What can be copied: identifiers, commands.
    Code,
}

impl Ink {
    /// The parameters of the ANSI sequence "Select Graphic Rendition".
    fn sgr(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Strong => Some("1"),
            Self::Faint => Some("2"),
            Self::Alarm => Some("1;31"),
            Self::Caution => Some("33"),
            Self::Good => Some("32"),
            Self::Doubt => Some("35"),
            Self::Code => Some("36"),
        }
    }
}

/// A piece of text in one ink.
pub(super) type Piece<'a> = (Ink, &'a str);

/// A page that grows line by line.
#[derive(Debug)]
pub(super) struct Page {
    width: usize,
    color: bool,
    out: String,
}

impl Page {
    /// An empty page.
    pub(super) fn new(style: &TextStyle) -> Self {
        let TextStyle { width, color } = *style;
        Self {
            width: usize::from(width.clamp(60, 160)),
            color,
            out: String::new(),
        }
    }

    /// All lines, with a newline at the end.
    pub(super) fn finish(self) -> String {
        self.out
    }

    /// An empty line, but never two in a row.
    pub(super) fn blank(&mut self) {
        if !self.out.is_empty() && !self.out.ends_with("\n\n") {
            self.out.push('\n');
        }
    }

    /// A line across the page.
    pub(super) fn rule(&mut self) {
        let line = "─".repeat(self.width);
        self.line(0, &[(Ink::Faint, &line)]);
    }

    /// One line that is not wrapped.
    pub(super) fn line(&mut self, indent: usize, pieces: &[Piece<'_>]) {
        self.put(indent, &inked(pieces));
    }

    /// Words, wrapped; lines after the first are indented as the first.
    pub(super) fn flow(&mut self, indent: usize, pieces: &[Piece<'_>]) {
        for line in wrap(&inked(pieces), self.width.saturating_sub(indent)) {
            self.put(indent, &line);
        }
    }

    /// A label in a column of its own, and words beside it, wrapped in theirs.
    pub(super) fn labelled(&mut self, indent: usize, label: Piece<'_>, column: usize, pieces: &[Piece<'_>]) {
        let beside = indent + column;
        let lines = wrap(&inked(pieces), self.width.saturating_sub(beside));
        let mut lines = lines.into_iter();
        let mut first = inked(&[label]);
        let gap = column.saturating_sub(width_of(&first)).max(1);
        first.extend(std::iter::repeat_n((' ', Ink::Plain), gap));
        first.extend(lines.next().unwrap_or_default());
        self.put(indent, &first);
        for line in lines {
            self.put(beside, &line);
        }
    }

    fn put(&mut self, indent: usize, line: &[Inked]) {
        // Nothing trails: a line of spaces would look empty and not be.
        let end = line
            .iter()
            .rposition(|(c, _)| *c != ' ')
            .map_or(0, |last| last + 1);
        let line = line.get(..end).unwrap_or_default();
        if !line.is_empty() {
            self.out.extend(std::iter::repeat_n(' ', indent));
        }
        for run in line.chunk_by(|a, b| a.1 == b.1) {
            let ink = run.first().map_or(Ink::Plain, |(_, ink)| *ink);
            let sgr = ink.sgr().filter(|_| self.color);
            if let Some(parameters) = sgr {
                self.out.push_str("\x1b[");
                self.out.push_str(parameters);
                self.out.push('m');
            }
            self.out.extend(run.iter().map(|(c, _)| c));
            if sgr.is_some() {
                self.out.push_str("\x1b[0m");
            }
        }
        self.out.push('\n');
    }
}

type Inked = (char, Ink);

fn inked(pieces: &[Piece<'_>]) -> Vec<Inked> {
    pieces
        .iter()
        .flat_map(|(ink, text)| text.chars().map(|c| (c, *ink)))
        .collect()
}

fn width_of(text: &[Inked]) -> usize {
    text.iter().map(|(c, _)| c.width().unwrap_or(0)).sum()
}

/// Breaks at spaces; a word longer than the line behind the last `/`, `:`, `,`, `.` or `-` that fits, else anywhere.
fn wrap(text: &[Inked], width: usize) -> Vec<Vec<Inked>> {
    let width = width.max(16);
    let mut lines = Vec::new();
    let mut line: Vec<Inked> = Vec::new();
    for word in text.split(|(c, _)| *c == ' ').filter(|word| !word.is_empty()) {
        let mut word = word;
        let space = usize::from(!line.is_empty());
        if width_of(&line) + space + width_of(word) > width {
            if !line.is_empty() {
                lines.push(std::mem::take(&mut line));
            }
            while width_of(word) > width {
                let (head, tail) = word.split_at(break_at(word, width));
                lines.push(head.to_vec());
                word = tail;
            }
        }
        if let (Some((_, before)), Some((_, after))) = (line.last(), word.first()) {
            line.push((' ', if before == after { *before } else { Ink::Plain }));
        }
        line.extend(word);
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// How many characters of a word go on a line of this width; at least one.
fn break_at(word: &[Inked], width: usize) -> usize {
    let mut used = 0;
    let mut fits = 0;
    for (c, _) in word {
        used += c.width().unwrap_or(0);
        if used > width {
            break;
        }
        fits += 1;
    }
    let fitting = word.get(..fits).unwrap_or_default();
    let seam = fitting
        .iter()
        .rposition(|(c, _)| matches!(c, '/' | ':' | ',' | '.' | '-'));
    match seam {
        Some(at) if at + 1 >= fits / 2 => at + 1,
        Some(_) | None => fits.max(1),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn page(width: u16, text: &str) -> String {
        let mut page = Page::new(&TextStyle { width, color: false });
        page.labelled(2, (Ink::Strong, "label"), 10, &[(Ink::Plain, text)]);
        page.finish()
    }

    #[test]
    fn arns_break_behind_their_seams() {
        let arn = "arn:aws:iam::123456789012:policy/department/analytics/quarterly-reports/ReadEverythingThatThereIs";
        insta::assert_snapshot!(page(60, &format!("detach {arn} now")), @r#"
        label     detach
                  arn:aws:iam::123456789012:policy/department/
                  analytics/quarterly-reports/
                  ReadEverythingThatThereIs now
        "#);
    }

    #[test]
    fn colour_is_only_there_when_asked_for() {
        let set = |color| {
            let mut page = Page::new(&TextStyle { width: 80, color });
            page.flow(2, &[(Ink::Alarm, "two words"), (Ink::Plain, " plain")]);
            page.finish()
        };
        assert_eq!(set(false), "  two words plain\n");
        assert_eq!(set(true), "  \x1b[1;31mtwo words\x1b[0m plain\n");
    }

    proptest! {
        #[test]
        fn no_line_is_too_long_and_no_letter_is_lost(text in "[a-z/:é東 -]{0,300}", width in 60u16..=160) {
            let set = page(width, &text);
            for line in set.lines() {
                prop_assert!(unicode_width::UnicodeWidthStr::width(line) <= usize::from(width));
            }
            let letters = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            prop_assert_eq!(letters(&set), format!("label{}", letters(&text)));
        }
    }
}
