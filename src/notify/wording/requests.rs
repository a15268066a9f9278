//! Exemptions that people ask for, what they say is not theirs, and how it stands.

use super::{count, date, day, principal};
use crate::model::{RequestedExemption, Severity};
use crate::notify::message::{Dispute, Item, Message, StandingReport, Trend};
use crate::notify::text::Text;

pub(super) fn write_request(message: &Message, requested: &RequestedExemption) -> Vec<Text> {
    let RequestedExemption {
        request,
        answer,
        revoked,
    } = requested;
    let said = match (answer, revoked) {
        (None, _) => Text::new().strong("Exemption asked for").say(": "),
        (Some(_), Some(revocation)) => Text::new().strong("Exemption taken back").say(&format!(
            " by {} on {}: ",
            revocation.by,
            date(revocation.at)
        )),
        (Some(answer), None) => {
            let word = match answer.granted {
                true => "Exemption granted",
                false => "Exemption refused",
            };
            let when = format!(" by {} on {}: ", answer.by, date(answer.at));
            Text::new().strong(word).say(&when)
        }
    };
    let mut headline = principal(said, &request.resource)
        .say(" in ")
        .say(&message.account_label(&request.account))
        .say(" from ");
    for (n, rule) in request.rules.iter().take(10).enumerate() {
        headline = headline.say(if n > 0 { ", " } else { "" }).code(rule.as_str());
    }
    let headline = headline.say(" until ").strong(&day(request.until));
    let mut lines = vec![
        headline,
        Text::new()
            .say(&format!("Asked by {} on {}: ", request.by, date(request.at)))
            .say(&request.reason),
    ];
    let why = revoked.as_ref().map(|revocation| &revocation.reason);
    let why = why.or(answer.as_ref().map(|answer| &answer.reason));
    if let Some(Some(why)) = why {
        lines.push(Text::new().say("Why: ").say(why));
    }
    if let Some(owner) = &request.owner {
        lines.push(Text::new().say("Its owner: ").say(&owner.0));
    }
    lines.push(Text::new().say("Exemption ").code(request.id.as_str()));
    lines
}

/// How what is asked for is answered at the command line.
pub(super) fn grant_advice(items: &[Item]) -> Vec<Text> {
    let Some(Item::Request(first)) = items.first() else {
        return Vec::new();
    };
    let id = first.request.id.as_str();
    vec![
        Text::new()
            .say("An approver answers: ")
            .code(&format!("iamwarden exemptions grant {id}"))
            .say(" or ")
            .code(&format!("iamwarden exemptions refuse {id}")),
    ]
}

pub(super) fn write_dispute(message: &Message, disputed: &Dispute) -> Vec<Text> {
    let Dispute { finding, by, at } = disputed;
    let headline = principal(Text::new().strong("Not theirs").say(": "), &finding.resource)
        .say(" in ")
        .say(&message.account_label(&finding.account))
        .say(&format!(", says {by} on {}", date(*at)));
    let owner = match &finding.owner {
        Some(owner) => Text::new()
            .say("iamwarden takes ")
            .say(&owner.0)
            .say(" for its owner."),
        None => Text::new().say("iamwarden knows no owner of it."),
    };
    vec![
        headline,
        owner
            .say(" Mend its owner tag, or map it under ")
            .code("[[notifications.owners]]")
            .say("."),
        Text::new()
            .say(&finding.title)
            .say(" (")
            .code(finding.id.as_str())
            .say(")"),
    ]
}

fn trend(trend: Trend) -> String {
    match trend.before {
        None => trend.now.to_string(),
        Some(before) if before == trend.now => format!("{} (as before)", trend.now),
        Some(before) if before < trend.now => format!("{} (up from {before})", trend.now),
        Some(before) => format!("{} (down from {before})", trend.now),
    }
}

/// How many lines a list has at most.
const LISTED: usize = 10;

pub(super) fn write_report(message: &Message, standing: &StandingReport) -> Vec<Text> {
    let StandingReport {
        since,
        total,
        accounts,
        rules,
        owners,
        new,
        gone,
        top,
    } = standing;
    let headline = Text::new().strong(&format!("Report: {}", count(total.now, "finding", "findings")));
    let headline = match (since, total.before) {
        (Some(since), Some(before)) => {
            headline.say(&format!(", {before} on {}: {new} new, {gone} gone", date(*since)))
        }
        (Some(_), None) | (None, _) => headline.say(", the first report"),
    };
    let mut lines = vec![headline];
    let mut list = |heading: &str, rows: Vec<(Text, Trend)>| {
        if rows.len() > 1 || (rows.len() == 1 && heading == "By rule:") {
            lines.push(Text::new().say(heading));
            let left = rows.len().saturating_sub(LISTED);
            for (name, counted) in rows.into_iter().take(LISTED) {
                let mut line = Text::new().say("• ");
                line.0.extend(name.0);
                lines.push(line.say(": ").say(&trend(counted)));
            }
            if left > 0 {
                lines.push(Text::new().say(&format!("… and {left} more.")));
            }
        }
    };
    let of_account = |(id, counted): &(_, Trend)| (Text::new().say(&message.account_label(id)), *counted);
    list("By account:", accounts.iter().map(of_account).collect());
    let of_rule =
        |(rule, counted): &(crate::model::RuleName, Trend)| (Text::new().code(rule.as_str()), *counted);
    list("By rule:", rules.iter().map(of_rule).collect());
    let of_owner = |(owner, counted): &(Option<crate::model::Owner>, Trend)| {
        let name = owner.as_ref().map_or("nobody", |owner| owner.0.as_str());
        (Text::new().say(name), *counted)
    };
    list("By owner:", owners.iter().map(of_owner).collect());
    for finding in top {
        let mark = match finding.severity {
            Severity::Critical | Severity::High => "‼ ",
            Severity::Medium | Severity::Low => "– ",
        };
        let text = Text::new().say(mark).say(&finding.title).say(" (");
        let text = text.say(&message.account_label(&finding.account)).say(", ");
        lines.push(text.code(finding.id.as_str()).say(")"));
    }
    lines
}
