//! How each account stands against the guide and the benchmark.

use super::BODY;
use crate::model::counted;
use crate::plan::render::many::Card;
use crate::plan::render::outline::Outline;
use crate::plan::render::page::{Ink, Page};
use crate::plan::render::words::{BENCHMARK, mark_counts};
use crate::plan::{Mark, Score, Scorecard};

/// The scorecards of all accounts that could be read.
pub(super) fn scorecards(page: &mut Page, outline: &Outline<'_>) {
    for Card { name, id, card } in outline.scorecards() {
        page.rule();
        let name = match id.as_str() {
            "" => name,
            id => format!("{name} · {id}"),
        };
        page.flow(0, &[(Ink::Strong, "scorecard "), (Ink::Faint, &name)]);
        page.rule();
        scorecard(page, &card);
        page.blank();
    }
}

fn scorecard(page: &mut Page, card: &Scorecard) {
    for practice in &card.practices {
        line(page, practice);
    }
    page.blank();
    let counts = format!(": {}", mark_counts(&card.controls));
    page.flow(2, &[(Ink::Strong, BENCHMARK), (Ink::Plain, &counts)]);
    for control in &card.controls {
        match control.mark {
            Mark::Pass | Mark::Fail | Mark::Unknown => line(page, control),
            // Those that a rule could answer are worth a line, the others a number.
            Mark::NotEvaluated if !control.rules.is_empty() => line(page, control),
            Mark::NotEvaluated => {}
        }
    }
    let unanswered = card.controls.iter().filter(|control| control.rules.is_empty());
    let numbers: Vec<_> = unanswered
        .filter_map(|control| control.number.as_deref())
        .collect();
    if !numbers.is_empty() {
        let numbers = format!("no rule looks at {}", numbers.join(", "));
        page.flow(BODY + 2, &[(Ink::Faint, &numbers)]);
    }
}

fn line(page: &mut Page, score: &Score) {
    let ink = match score.mark {
        Mark::Pass => Ink::Good,
        Mark::Fail => Ink::Alarm,
        Mark::Unknown => Ink::Doubt,
        Mark::NotEvaluated => Ink::Faint,
    };
    let number = score
        .number
        .as_ref()
        .map(|number| format!("{number} "))
        .unwrap_or_default();
    let found = match score.findings {
        0 => String::new(),
        count => format!(" · {}", counted(count, "finding", "findings")),
    };
    let note = match score.note.as_str() {
        "" => String::new(),
        note => format!(" · {note}"),
    };
    page.labelled(
        2,
        (ink, score.mark.label()),
        BODY,
        &[
            (Ink::Plain, &number),
            (Ink::Plain, &score.title),
            (Ink::Plain, &found),
            (Ink::Faint, &note),
        ],
    );
}
