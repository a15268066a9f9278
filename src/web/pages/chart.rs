//! Charts as SVG, drawn here. Nothing from outside is in them; the numbers stand beside them as text.

use chrono::NaiveDate;

use crate::model::Severity;

/// In units of the drawing.
const WIDTH: usize = 480;
const HEIGHT: usize = 168;
const LEFT: usize = 36;
const BOTTOM: usize = 24;
const TOP: usize = 8;

/// Violations over days, as areas one upon the other, the worst at the bottom.
pub(super) fn trend(days: &[(NaiveDate, [usize; 4])]) -> String {
    let most = days
        .iter()
        .map(|(_, counts)| counts.iter().sum::<usize>())
        .max()
        .unwrap_or(0);
    let top = round_up(most.max(4));
    let (first, last) = (days.first(), days.last());
    let label = match (first, last) {
        (Some((from, before)), Some((to, now))) => format!(
            "Violations from {from} to {to}: {} at first, {} now",
            before.iter().sum::<usize>(),
            now.iter().sum::<usize>()
        ),
        _ => "Nothing is known yet".to_owned(),
    };
    let mut svg =
        format!(r#"<svg class="trend" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">"#);
    for step in 0..=4 {
        let value = top * step / 4;
        let y = height(value, top);
        svg.push_str(&format!(
            r#"<line class="grid" x1="{LEFT}" x2="{WIDTH}" y1="{y}" y2="{y}"/><text class="tick" x="{}" y="{}" text-anchor="end">{value}</text>"#,
            LEFT - 8,
            y + 4
        ));
    }
    let mut below = vec![0; days.len()];
    for (n, severity) in Severity::ALL.into_iter().enumerate() {
        let above: Vec<usize> = days
            .iter()
            .zip(&below)
            .map(|((_, counts), below)| below + counts.get(n).copied().unwrap_or(0))
            .collect();
        if above != below {
            svg.push_str(&area(severity, &below, &above, top));
        }
        below = above;
    }
    for (n, (day, _)) in days.iter().enumerate() {
        // A label on every fourth part, and none that would be cut off.
        let quarter = (days.len() / 4).max(1);
        if n % quarter == 0 && n + quarter / 2 < days.len() {
            svg.push_str(&format!(
                r#"<text class="tick" x="{}" y="{}">{}</text>"#,
                x(n, days.len()),
                HEIGHT - 6,
                day.format("%-d %b")
            ));
        }
    }
    svg.push_str("</svg>");
    svg
}

fn area(severity: Severity, below: &[usize], above: &[usize], top: usize) -> String {
    let count = above.len();
    let point = |(n, value): (usize, &usize)| format!("{},{}", x(n, count), height(*value, top));
    let there: Vec<_> = above.iter().enumerate().map(point).collect();
    let mut back: Vec<_> = below.iter().enumerate().map(point).collect();
    back.reverse();
    format!(
        r#"<polygon class="area {}" points="{} {}"/>"#,
        severity.as_str(),
        there.join(" "),
        back.join(" ")
    )
}

fn x(n: usize, count: usize) -> usize {
    LEFT + (WIDTH - LEFT) * n / count.saturating_sub(1).max(1)
}

fn height(value: usize, top: usize) -> usize {
    let room = HEIGHT - BOTTOM - TOP;
    TOP + room - room * value / top.max(1)
}

/// The next number whose quarters are whole.
fn round_up(value: usize) -> usize {
    let step = match value {
        0..=20 => 4,
        21..=100 => 20,
        101..=1000 => 200,
        _ => 2000,
    };
    value.div_ceil(step) * step
}

/// Counts by severity as one bar: a share of the largest.
pub(super) fn severities(counts: [usize; 4], most: usize) -> String {
    let total: usize = counts.iter().sum();
    let mut svg =
        format!(r#"<svg class="bar" role="img" aria-label="{total} violations" width="100%" height="10">"#);
    let mut start = 0;
    for (severity, count) in Severity::ALL.into_iter().zip(counts) {
        let percent = |part: usize| part.saturating_mul(10_000) / most.max(1);
        let (from, width) = (percent(start), percent(count));
        if count > 0 {
            svg.push_str(&format!(
                r#"<rect class="part {}" x="{}.{:02}%" width="{}.{:02}%" height="10"><title>{count} {}</title></rect>"#,
                severity.as_str(),
                from / 100,
                from % 100,
                width / 100,
                width % 100,
                severity.as_str()
            ));
        }
        start += count;
    }
    svg.push_str("</svg>");
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_stand_upon_one_another_within_the_drawing() {
        let day = |n: u32, counts| (NaiveDate::from_ymd_opt(2026, 11, n).unwrap(), counts);
        let svg = trend(&[day(1, [0, 1, 0, 3]), day(2, [1, 1, 0, 0])]);
        insta::assert_snapshot!(svg.replace("><", ">\n<"), @r#"
        <svg class="trend" viewBox="0 0 480 168" role="img" aria-label="Violations from 2026-11-01 to 2026-11-02: 4 at first, 2 now">
        <line class="grid" x1="36" x2="480" y1="144" y2="144"/>
        <text class="tick" x="28" y="148" text-anchor="end">0</text>
        <line class="grid" x1="36" x2="480" y1="110" y2="110"/>
        <text class="tick" x="28" y="114" text-anchor="end">1</text>
        <line class="grid" x1="36" x2="480" y1="76" y2="76"/>
        <text class="tick" x="28" y="80" text-anchor="end">2</text>
        <line class="grid" x1="36" x2="480" y1="42" y2="42"/>
        <text class="tick" x="28" y="46" text-anchor="end">3</text>
        <line class="grid" x1="36" x2="480" y1="8" y2="8"/>
        <text class="tick" x="28" y="12" text-anchor="end">4</text>
        <polygon class="area critical" points="36,144 480,110 480,144 36,144"/>
        <polygon class="area high" points="36,110 480,76 480,110 36,144"/>
        <polygon class="area low" points="36,8 480,76 480,76 36,110"/>
        <text class="tick" x="36" y="162">1 Nov</text>
        <text class="tick" x="480" y="162">2 Nov</text>
        </svg>
        "#);
    }

    #[test]
    fn nothing_known_is_drawn_as_nothing() {
        let svg = trend(&[]);
        assert!(
            svg.contains("Nothing is known yet") && !svg.contains("polygon"),
            "{svg}"
        );
    }
}
