//! Bars as SVG: one small drawing a row, so that the words beside it stay text at any width.

use std::collections::BTreeMap;

use crate::model::{ActionState, RuleName, WithheldReason, visible};
use crate::plan::render::outline::{Course, Outline};
use crate::plan::render::words::reason_word;

/// A chart of horizontal bars.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chart {
    /// What it shows.
    pub(super) title: &'static str,
    /// Colours and their meaning: a class, and a word; empty where the rows say it.
    pub(super) legend: Vec<(&'static str, &'static str)>,
    /// From top to bottom.
    pub(super) bars: Vec<Bar>,
}

/// A row of a chart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bar {
    /// What it counts.
    pub(super) label: String,
    /// How many.
    pub(super) total: usize,
    /// The drawing. Nothing from outside is in it.
    pub(super) svg: String,
}

/// A part of a bar: class, word, number.
type Part = (&'static str, &'static str, usize);

/// Findings by rule, and what becomes of them.
pub(super) fn findings(outline: &Outline<'_>) -> Chart {
    let mut rules: BTreeMap<&RuleName, BTreeMap<Course, usize>> = BTreeMap::new();
    let mut count = |rule, course| *rules.entry(rule).or_default().entry(course).or_default() += 1;
    for entry in outline.entries() {
        count(&entry.finding.rule, entry.course);
    }
    for account in &outline.accounts {
        for (course, all) in [
            (Course::Unknown, &account.unknown),
            (Course::Exempt, &account.exempt),
        ] {
            for finding in all.iter().flat_map(|same| &same.findings) {
                count(&finding.rule, course);
            }
        }
    }
    let most = rules
        .values()
        .map(|courses| courses.values().sum())
        .max()
        .unwrap_or(0);
    let used = |course: &Course| rules.values().any(|courses| courses.contains_key(course));
    Chart {
        title: "Findings by rule",
        legend: Course::ALL
            .into_iter()
            .filter(used)
            .map(|course| (course.key(), course.label()))
            .collect(),
        bars: rules
            .iter()
            .map(|(rule, courses)| {
                let parts: Vec<Part> = courses
                    .iter()
                    .map(|(course, count)| (course.key(), course.label(), *count))
                    .collect();
                bar(visible(rule.as_str()).into_owned(), &parts, most)
            })
            .collect(),
    }
}

/// Changes by what holds them back.
pub(super) fn changes(outline: &Outline<'_>) -> Chart {
    let mut due = 0_usize;
    let mut held: BTreeMap<Option<WithheldReason>, usize> = BTreeMap::new();
    for action in &outline.plan.actions {
        match action.state {
            ActionState::Proposed => due += 1,
            ActionState::Withheld => *held.entry(action.withheld_reason).or_default() += 1,
        }
    }
    let most = held.values().copied().chain([due]).max().unwrap_or(0);
    let mut held: Vec<_> = held.into_iter().collect();
    held.sort_by_key(|(reason, count)| (std::cmp::Reverse(*count), *reason));
    let mut bars = Vec::new();
    if due > 0 {
        let (key, word) = (Course::Due.key(), Course::Due.label());
        bars.push(bar(word.to_owned(), &[(key, word, due)], most));
    }
    bars.extend(held.into_iter().map(|(reason, count)| {
        let word = reason_word(reason);
        bar(
            word.replace('_', " "),
            &[(Course::HeldBack.key(), word, count)],
            most,
        )
    }));
    Chart {
        title: "Changes by state",
        legend: Vec::new(),
        bars,
    }
}

fn bar(label: String, parts: &[Part], most: usize) -> Bar {
    let total = parts.iter().map(|(_, _, count)| count).sum();
    let words: Vec<String> = parts
        .iter()
        .map(|(_, word, count)| format!("{count} {word}"))
        .collect();
    let mut svg = format!(
        r#"<svg class="bar" role="img" aria-label="{}" width="100%" height="12" focusable="false">"#,
        words.join(", ")
    );
    let mut start = 0;
    for (class, word, count) in parts {
        svg.push_str(&format!(
            r#"<rect class="fill {class}" x="{}" width="{}" height="12"><title>{count} {word}</title></rect>"#,
            percent(start, most),
            percent(*count, most),
        ));
        start += count;
    }
    svg.push_str("</svg>");
    Bar { label, total, svg }
}

/// A share in hundredths of a per cent, without floating point: the same on every machine.
fn percent(part: usize, whole: usize) -> String {
    let hundredths = part.saturating_mul(10_000) / whole.max(1);
    format!("{}.{:02}%", hundredths / 100, hundredths % 100)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::render::sample;

    #[test]
    fn every_finding_and_change_is_counted_once() {
        let plan = sample::plan();
        let outline = Outline::of(&plan);
        let sum = |chart: Chart| chart.bars.iter().map(|bar| bar.total).sum::<usize>();
        assert_eq!(sum(findings(&outline)), plan.findings.len());
        assert_eq!(sum(changes(&outline)), plan.actions.len());
    }

    #[test]
    fn parts_stand_end_to_end() {
        let drawn = bar(
            "x".to_owned(),
            &[("due", "due now", 1), ("held", "held back", 2)],
            6,
        );
        insta::assert_snapshot!(drawn.svg, @r#"
        <svg class="bar" role="img" aria-label="1 due now, 2 held back" width="100%" height="12" focusable="false"><rect class="fill due" x="0.00%" width="16.66%" height="12"><title>1 due now</title></rect><rect class="fill held" x="16.66%" width="33.33%" height="12"><title>2 held back</title></rect></svg>
        "#);
        assert_eq!(
            (percent(0, 0), percent(2, 2)),
            ("0.00%".to_owned(), "100.00%".to_owned())
        );
    }
}
