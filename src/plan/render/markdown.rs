//! The plan as a comment on a pull request (GitHub Flavored Markdown).

use crate::model::{Action, ActionState, Arn, Finding, counted, instant, relative, relative_day, visible};
use crate::plan::render::difference::Difference;
use crate::plan::render::many::Card;
use crate::plan::render::outline::{
    AccountSection, Course, Entry, Outline, difference, proposed_difference, unread,
};
use crate::plan::render::steps::steps;
use crate::plan::render::words::{
    exemption_word, gap_word, mode_word, reason_sentence, reason_word, resource_name, severity_mark,
};
use crate::plan::{ExemptionState, Plan};

/// GitHub takes 65,536 characters a comment; bytes are never fewer. The rest is for what surrounds the comment.
const LONGEST: usize = 62_000;
/// What the frame of one section may take beside its rows.
const FRAME: usize = 500;
/// How many resources stand in one cell.
const CELL: usize = 40;

/// The plan as Markdown: a table of what it comes to, what to do next, and the details folded. Everything from outside
/// is escaped, mentions and links are broken. What would make the comment too long for GitHub is counted, with the
/// way to the JSON, which has it all.
pub fn markdown(plan: &Plan) -> String {
    let outline = Outline::of(plan);
    let mut out = head(&outline);
    next(&mut out, &outline);
    let sections = sections(&outline);
    let frames = sections
        .iter()
        .map(|section| section.columns.join("").len() + FRAME)
        .sum::<usize>();
    let mut room = LONGEST.saturating_sub(out.len() + frames);
    for section in &sections {
        section.write(&mut out, &mut room);
    }
    out
}

/// A folded table.
struct Section {
    title: &'static str,
    /// How many things its rows tell of.
    count: usize,
    open: bool,
    columns: Vec<&'static str>,
    /// Finished cells.
    rows: Vec<Vec<String>>,
}

impl Section {
    fn new(title: &'static str, columns: &[&'static str], rows: Vec<Vec<String>>) -> Self {
        Self {
            title,
            count: rows.len(),
            open: false,
            columns: columns.to_vec(),
            rows,
        }
    }

    /// Where several rows tell of one thing, or one of several.
    fn counting(self, count: usize) -> Self {
        Self { count, ..self }
    }

    /// Takes from `room` what its rows need; rows for which there is none are counted.
    fn write(&self, out: &mut String, room: &mut usize) {
        let Self {
            title,
            count,
            open,
            columns,
            rows,
        } = self;
        if rows.is_empty() {
            return;
        }
        let open = if *open { " open" } else { "" };
        out.push_str(&format!(
            "\n<details{open}><summary><b>{title}</b> ({count})</summary>\n\n"
        ));
        out.push_str(&format!("| {} |\n", columns.join(" | ")));
        out.push_str(&format!("|{}\n", " --- |".repeat(columns.len())));
        let mut left_out = 0_usize;
        for row in rows {
            let line = format!("| {} |\n", row.join(" | "));
            if line.len() <= *room {
                *room -= line.len();
                out.push_str(&line);
            } else {
                left_out += 1;
            }
        }
        if left_out > 0 {
            out.push_str(&format!(
                "\n**+{left_out} more rows** for which this comment has no room; `iamwarden plan --format json` has them \
                 all.\n"
            ));
        }
        out.push_str("\n</details>\n");
    }
}

fn head(outline: &Outline<'_>) -> String {
    let plan = outline.plan;
    let mut out = format!("## iamwarden plan: {}\n\n", outline.headline());
    let changed = if plan.dry_run {
        "it changed nothing"
    } else {
        "made to be applied"
    };
    out.push_str(&format!(
        "{} made {}; {changed}; configuration {}.\n",
        code(&plan.id),
        instant(plan.created_at),
        code(plan.config_digest.short(12))
    ));
    if let Some(mode) = &plan.as_if {
        out.push_str(&format!(
            "\n**As if rules in `report` were in {}: cannot be applied.**\n",
            code(mode)
        ));
    }
    out.push_str("\n| | | |\n| --- | --- | --- |\n");
    for line in outline.glance() {
        let weight = if line.count > 0 { "**" } else { "" };
        out.push_str(&format!(
            "| {weight}{}{weight} | {} | {} |\n",
            line.label,
            prose(&line.amount),
            prose(&line.note.replace('\u{a0}', " "))
        ));
    }
    let accounts = counted(outline.accounts.len(), "account", "accounts");
    out.push_str(&format!(
        "| AWS calls | {} | to read {accounts} |\n",
        outline.calls()
    ));
    out
}

fn next(out: &mut String, outline: &Outline<'_>) {
    out.push_str("\n**Next**\n\n");
    for step in steps(outline) {
        out.push_str(&format!("- {}\n", with_code(&step.text)));
        if !step.command.is_empty() {
            // Our own words, an id of a plan and ids of actions: no fence can stand in them once they are visible.
            let command = step.command.join(" \\\n      ");
            let command = command
                .lines()
                .map(|line| visible(line).replace('`', "'"))
                .collect::<Vec<_>>();
            out.push_str(&format!("  ```sh\n  {}\n  ```\n", command.join("\n  ")));
        }
    }
}

/// The practices, and those recommendations of the benchmark that a rule answers.
fn scorecard(outline: &Outline<'_>) -> Vec<Vec<String>> {
    let cards = outline.scorecards();
    let lines = cards.iter().flat_map(|Card { name, card, .. }| {
        let answered = card.controls.iter().filter(|control| !control.rules.is_empty());
        card.practices
            .iter()
            .chain(answered)
            .map(move |score| (name, score))
    });
    lines
        .map(|(name, score)| {
            let number = score.number.as_ref().map(|number| format!("CIS {number} "));
            let found = (score.findings > 0).then(|| counted(score.findings, "finding", "findings"));
            let note = Some(score.note.clone()).filter(|note| !note.is_empty());
            let notes: Vec<_> = found.into_iter().chain(note).collect();
            vec![
                score.mark.label().to_owned(),
                prose(name),
                prose(&format!("{}{}", number.unwrap_or_default(), score.title)),
                prose(&notes.join("; ")),
            ]
        })
        .collect()
}

fn sections(outline: &Outline<'_>) -> Vec<Section> {
    let mut sections = vec![
        Section {
            open: true,
            ..Section::new(
                "Due now",
                &["", "where", "change", "consent"],
                actions(outline, ActionState::Proposed),
            )
        },
        Section::new(
            "Held back",
            &["", "where", "change", "why"],
            actions(outline, ActionState::Withheld),
        ),
    ];
    for (course, title) in [
        (Course::ReportOnly, "Report only"),
        (Course::ByHand, "To be mended by hand"),
        (Course::Warning, "Warnings"),
    ] {
        let columns = ["", "where", "what", "owner"];
        sections.push(Section::new(title, &columns, findings(outline, course)));
    }
    let gaps: usize = outline
        .plan
        .accounts
        .iter()
        .map(|account| unread(account).count())
        .sum();
    let section = Section::new("Unknown", &["account", "what", "why", "of"], unknown(outline));
    sections.push(section.counting(outline.count(Course::Unknown) + gaps));
    let columns = ["account", "rule", "why", "of"];
    let section = Section::new("Left alone on purpose", &columns, exempt(outline));
    sections.push(section.counting(outline.count(Course::Exempt)));
    let columns = ["", "account", "what", "why"];
    sections.push(Section::new("Scorecard", &columns, scorecard(outline)));
    let columns = ["to", "channel", "event", "about"];
    let section = Section::new("Who will be told", &columns, messages(outline));
    sections.push(section.counting(outline.plan.notifications.len()));
    let columns = ["", "principals", "rules", "last day", "reason"];
    sections.push(Section::new("Exemptions", &columns, exemptions(outline.plan)));
    let calls = outline.plan.api_calls.iter();
    let calls = calls
        .map(|(operation, count)| vec![code(operation), count.to_string()])
        .collect();
    sections.push(Section::new("AWS calls", &["operation", "calls"], calls));
    sections
}

fn place(account: &AccountSection<'_>, resource: &Arn) -> String {
    format!(
        "{}<br>{}",
        account_name(account),
        code(resource_name(resource, account.id))
    )
}

fn account_name(account: &AccountSection<'_>) -> String {
    code(account.name())
}

fn actions(outline: &Outline<'_>, state: ActionState) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for account in &outline.accounts {
        let entries = account.owners.iter().flat_map(|group| &group.entries);
        let owned =
            entries.flat_map(|entry| entry.actions.iter().map(|action| (Some(entry.finding), *action)));
        let all = owned.chain(account.strays.iter().map(|action| (None, *action)));
        for (finding, action) in all.filter(|(_, action)| action.state == state) {
            rows.push(row_of_action(outline, account, finding, action));
        }
    }
    rows
}

fn row_of_action(
    outline: &Outline<'_>,
    account: &AccountSection<'_>,
    finding: Option<&Finding>,
    action: &Action,
) -> Vec<String> {
    let undo = if action.reversible {
        ""
    } else {
        ", **cannot be undone**"
    };
    let consent = format!("{}{undo}", mode_word(action.mode));
    let why = match action.state {
        ActionState::Proposed => consent,
        ActionState::Withheld => {
            let date = action.not_before.map_or_else(String::new, |at| {
                format!(
                    "; not before {}, {}",
                    instant(at),
                    relative(outline.plan.created_at, at)
                )
            });
            let reason = code(reason_word(action.withheld_reason));
            format!(
                "{reason} {}{date}; mode {consent}",
                prose(&reason_sentence(action))
            )
        }
    };
    let title = finding.map_or_else(String::new, |finding| format!("{}<br>", prose(&finding.title)));
    vec![
        finding.map_or_else(String::new, severity),
        place(account, &action.resource),
        format!(
            "{title}{}<br>{}",
            change(&difference(action)),
            code(action.id.as_str())
        ),
        why,
    ]
}

fn severity(finding: &Finding) -> String {
    format!(
        "{} {}",
        severity_mark(finding.severity),
        finding.severity.as_str()
    )
}

fn change(difference: &Difference) -> String {
    let Difference {
        verb,
        subject,
        changed,
        kept: _,
        remark,
    } = difference;
    let remark = remark.map_or_else(String::new, |remark| format!("<br>({remark})"));
    if subject.is_empty() {
        let fields: Vec<String> = changed
            .iter()
            .map(|field| {
                format!(
                    "<br>{} {} → **{}**",
                    code(&field.name),
                    prose(&field.before),
                    prose(&field.after)
                )
            })
            .collect();
        return format!("{verb}:{}{remark}", fields.join(""));
    }
    let fields: Vec<String> = changed
        .iter()
        .map(|field| format!("{} → **{}**", prose(&field.before), prose(&field.after)))
        .collect();
    format!("{verb} {}: {}{remark}", code(subject), fields.join(", "))
}

fn findings(outline: &Outline<'_>, course: Course) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for account in &outline.accounts {
        let entries = account.owners.iter().flat_map(|group| &group.entries);
        for entry in entries.filter(|entry| entry.course == course) {
            let Entry { finding, .. } = entry;
            let would = proposed_difference(finding)
                .map_or_else(String::new, |d| format!("<br>would {}", change(&d)));
            rows.push(vec![
                severity(finding),
                place(account, &finding.resource),
                format!(
                    "{}<br>{}{would}<br>{}",
                    prose(&finding.title),
                    prose(&finding.detail),
                    code(finding.rule.as_str())
                ),
                finding
                    .owner
                    .as_ref()
                    .map_or_else(|| "nobody".to_owned(), |owner| code(&owner.0)),
            ]);
        }
    }
    rows
}

fn resources(all: &[&Arn], account: &AccountSection<'_>) -> Vec<String> {
    all.chunks(CELL)
        .map(|some| {
            let names: Vec<_> = some
                .iter()
                .map(|arn| code(resource_name(arn, account.id)))
                .collect();
            names.join(", ")
        })
        .collect()
}

fn unknown(outline: &Outline<'_>) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for account in &outline.accounts {
        for gap in &account.gaps {
            let mut cells = resources(&gap.resources, account);
            if cells.is_empty() {
                cells.push("the account".to_owned());
            }
            for cell in cells {
                let why = format!("{}: {}", gap_word(gap.first.cause), prose(&gap.first.detail));
                rows.push(vec![account_name(account), code(&gap.first.operation), why, cell]);
            }
        }
        for same in &account.unknown {
            let all: Vec<&Arn> = same.findings.iter().map(|finding| &finding.resource).collect();
            for cell in resources(&all, account) {
                let what = code(same.first.rule.as_str());
                rows.push(vec![account_name(account), what, prose(&same.first.detail), cell]);
            }
        }
    }
    rows
}

fn exempt(outline: &Outline<'_>) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for account in &outline.accounts {
        for same in &account.exempt {
            let all: Vec<&Arn> = same.findings.iter().map(|finding| &finding.resource).collect();
            for cell in resources(&all, account) {
                let rule = code(same.first.rule.as_str());
                rows.push(vec![account_name(account), rule, prose(&same.first.detail), cell]);
            }
        }
    }
    rows
}

fn messages(outline: &Outline<'_>) -> Vec<Vec<String>> {
    let plan = outline.plan;
    let mut rows = Vec::new();
    for message in &plan.notifications {
        let name = |id| match outline.finding(id) {
            Some(finding) => code(resource_name(&finding.resource, &finding.account)),
            None => code(id.as_str()),
        };
        let about: Vec<String> = if message.notices.is_empty() {
            message.findings.iter().map(name).collect()
        } else {
            let notices = outline.notices(message).into_iter();
            notices
                .map(|notice| {
                    let date = instant(notice.announced_for);
                    let when = relative(plan.created_at, notice.announced_for);
                    format!(
                        "{} {}: {date}, {when}",
                        name(&notice.finding),
                        code(&notice.subject)
                    )
                })
                .collect()
        };
        for some in about.chunks(CELL) {
            rows.push(vec![
                message
                    .to
                    .as_ref()
                    .map_or_else(|| "nobody owns it".to_owned(), |owner| code(&owner.0)),
                message
                    .channel
                    .as_ref()
                    .map_or_else(|| "**none: nothing is sent**".to_owned(), |name| code(name)),
                code(message.event.as_str()),
                some.join("<br>"),
            ]);
        }
    }
    rows
}

fn exemptions(plan: &Plan) -> Vec<Vec<String>> {
    let mut exemptions: Vec<_> = plan.exemptions.iter().collect();
    exemptions.sort_by_key(|exemption| exemption.until);
    exemptions
        .into_iter()
        .map(|exemption| {
            let principals: Vec<_> = exemption
                .principals
                .iter()
                .map(|glob| code(glob.as_str()))
                .collect();
            let rules: Vec<_> = exemption.rules.iter().map(|rule| code(rule.as_str())).collect();
            let state = match exemption.state {
                ExemptionState::Expired => "**EXPIRED**: no effect",
                ExemptionState::Active | ExemptionState::Expiring => exemption_word(exemption.state),
            };
            vec![
                state.to_owned(),
                principals.join(", "),
                rules.join(", "),
                format!(
                    "{}, {}",
                    exemption.until,
                    relative_day(plan.created_at, exemption.until)
                ),
                prose(&exemption.reason),
            ]
        })
        .collect()
}

/// Our own sentences, in which what stands between backticks is code.
fn with_code(text: &str) -> String {
    let parts = text.split('`').enumerate();
    parts
        .map(|(n, part)| if n % 2 == 0 { prose(part) } else { code(part) })
        .collect()
}

/// An identifier as code, in which GitHub finds neither mentions nor links.
fn code(text: &str) -> String {
    let text = visible(text);
    if text.is_empty() {
        return String::new();
    }
    if !text.contains(['`', '|', '\\']) && text.trim() == text {
        return format!("`{text}`");
    }
    // These three mean something to tables and code spans at once; as entities inside an element they mean nothing.
    format!("<code>{}</code>", entities(&text))
}

/// Words in which no markup, mention, reference, link or formula is left.
fn prose(text: &str) -> String {
    entities(&visible(text))
}

fn entities(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let after = rest.get(c.len_utf8()..).unwrap_or_default();
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '~' | '|' | '[' | ']' | '(' | ')' | '{' | '}' | '!' | '"' => {
                out.push_str(&format!("&#{};", u32::from(c)));
            }
            // A mention, a reference and a link are found in the text after all entities: only a gap stops them.
            '@' | '#' => out.push_str(&format!("{c}&#8203;")),
            ':' if after.starts_with("//") => out.push_str(":&#8203;"),
            '.' if ends_with_www(&out) => out.push_str("&#8203;."),
            '$' => out.push_str("<span>$</span>"),
            c => out.push(c),
        }
        rest = after;
    }
    out
}

fn ends_with_www(text: &str) -> bool {
    let tail = text.len().checked_sub(3).and_then(|at| text.get(at..));
    tail.is_some_and(|tail| tail.eq_ignore_ascii_case("www"))
}

#[cfg(test)]
mod tests;
