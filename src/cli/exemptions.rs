//! `iamwarden exemptions`: lists them, and asks for, grants, refuses, takes back and prints those on request.

use anyhow::Context as _;
use serde_json::json;

use super::arguments::{ExemptionDecision, ExemptionsCommand, HistoryFormat};
use super::opening::{Opening, StateUse, person};
use super::principal::find;
use super::{Exit, print};
use crate::config::Exemption;
use crate::daemon::{ExemptionAsked, House};
use crate::model::{ExemptionId, Person, RequestedExemption, RuleName, Way, visible};

pub(super) async fn run(
    opening: &Opening,
    command: Option<&ExemptionsCommand>,
    format: HistoryFormat,
) -> anyhow::Result<Exit> {
    match command {
        None => list(opening, format).await,
        Some(ExemptionsCommand::Export) => export(opening).await,
        Some(ExemptionsCommand::Grant(decision)) => answer(opening, decision, true).await,
        Some(ExemptionsCommand::Refuse(decision)) => answer(opening, decision, false).await,
        Some(ExemptionsCommand::Revoke(decision)) => revoke(opening, decision).await,
        Some(ExemptionsCommand::Request {
            principal,
            rules,
            until,
            reason,
            account,
            by,
        }) => {
            let house = opening.house(StateUse::Write).await?;
            let person = Person::new(person(by.clone())?, Way::CommandLine);
            let (account, resource, _) = find(&house, principal, account.as_deref()).await?;
            let rules: Vec<_> = rules.iter().map(|rule| RuleName(rule.clone().into())).collect();
            let state = house.state.as_ref().context("there is no state")?;
            let remembered = state.findings(Some(&account), true).await?;
            let mut of_thing = remembered
                .iter()
                .filter(|record| record.finding.resource == resource);
            let owner = of_thing.find_map(|record| record.finding.owner.as_ref());
            let asked = ExemptionAsked {
                account: &account,
                resource: &resource,
                rules: &rules,
                until: *until,
                reason,
                owner,
                person: &person,
            };
            let request = house.ask_for_exemption(asked).await?;
            print(&format!(
                "Asked by {person}: {} until {until}, as {}. An approver answers: iamwarden exemptions grant {}\n",
                resource, request.id, request.id
            ))?;
            Ok(Exit::Ok)
        }
    }
}

async fn answer(opening: &Opening, decision: &ExemptionDecision, granted: bool) -> anyhow::Result<Exit> {
    let house = opening.house(StateUse::Write).await?;
    let person = Person::new(person(decision.by.clone())?, Way::CommandLine);
    let id = ExemptionId(decision.id.clone());
    let exemption = house
        .answer_exemption(&id, granted, &person, decision.reason.as_deref())
        .await?;
    let word = if granted { "Granted" } else { "Refused" };
    print(&format!(
        "{word} by {person}: {} until {} ({id})\n",
        exemption.request.resource, exemption.request.until
    ))?;
    Ok(Exit::Ok)
}

async fn revoke(opening: &Opening, decision: &ExemptionDecision) -> anyhow::Result<Exit> {
    let house = opening.house(StateUse::Write).await?;
    let person = Person::new(person(decision.by.clone())?, Way::CommandLine);
    let id = ExemptionId(decision.id.clone());
    let exemption = house
        .revoke_exemption(&id, &person, decision.reason.as_deref())
        .await?;
    print(&format!(
        "Taken back by {person}: the rules apply to {} again ({id})\n",
        exemption.request.resource
    ))?;
    Ok(Exit::Ok)
}

/// What was ever asked for; nothing, where there is no state yet.
async fn requested(house: &House) -> anyhow::Result<Vec<RequestedExemption>> {
    match &house.state {
        Some(state) => Ok(state.exemptions().await?),
        None => Ok(Vec::new()),
    }
}

async fn list(opening: &Opening, format: HistoryFormat) -> anyhow::Result<Exit> {
    let house = opening.house(StateUse::Read).await?;
    let today = house.clock.now().date_naive();
    let requested = requested(&house).await?;
    let declared = &house.config.exemptions;
    let text = match format {
        HistoryFormat::Json => {
            let with_standing = |exemption: &RequestedExemption| {
                let mut value = json!(exemption);
                value["standing"] = json!(exemption.standing(today));
                value
            };
            let requested: Vec<_> = requested.iter().map(with_standing).collect();
            format!("{}\n", json!({"declared": declared, "requested": requested}))
        }
        HistoryFormat::Text => {
            let mut text = String::new();
            for exemption in declared {
                let word = if exemption.until < today {
                    "ended"
                } else {
                    "declared"
                };
                text.push_str(&line(word, exemption));
            }
            for exemption in &requested {
                let word = exemption.standing(today).as_str();
                text.push_str(&line(word, &Exemption::of_granted(exemption)));
                let request = &exemption.request;
                text.push_str(&format!(
                    "           {} asked for by {} on {}\n",
                    request.id,
                    visible(&request.by.name),
                    request.at.format("%Y-%m-%d %H:%M UTC")
                ));
            }
            if text.is_empty() {
                text.push_str("There are no exemptions.\n");
            }
            text
        }
    };
    print(&text)?;
    Ok(Exit::Ok)
}

fn line(word: &str, exemption: &Exemption) -> String {
    let principals: Vec<_> = exemption.principals.iter().map(|p| visible(p.as_str())).collect();
    let rules: Vec<_> = exemption.rules.iter().map(RuleName::as_str).collect();
    let accounts: Vec<_> = exemption
        .accounts
        .iter()
        .flatten()
        .map(|id| id.as_str())
        .collect();
    let place = match accounts.is_empty() {
        true => String::new(),
        false => format!(" in {}", accounts.join(", ")),
    };
    format!(
        "{word:<10} {} from {}{place} until {}: {}\n",
        principals.join(", "),
        rules.join(", "),
        exemption.until,
        visible(&exemption.reason)
    )
}

/// Those that were granted and hold, as `[[exemptions]]`.
async fn export(opening: &Opening) -> anyhow::Result<Exit> {
    let house = opening.house(StateUse::Read).await?;
    let today = house.clock.now().date_naive();
    let requested = requested(&house).await?;
    print(&as_configuration(
        requested.iter().filter(|exemption| exemption.holds(today)),
    ))?;
    Ok(Exit::Ok)
}

fn as_configuration<'e>(exemptions: impl Iterator<Item = &'e RequestedExemption>) -> String {
    let mut text = String::new();
    for exemption in exemptions {
        let declared = Exemption::of_granted(exemption);
        let list = |items: Vec<&str>| items.into_iter().map(quoted).collect::<Vec<_>>().join(", ");
        let principals = declared
            .principals
            .iter()
            .map(|pattern| pattern.as_str())
            .collect();
        let rules = declared.rules.iter().map(RuleName::as_str).collect();
        let accounts = declared.accounts.iter().flatten().map(|id| id.as_str()).collect();
        text.push_str(&format!(
            "[[exemptions]]\nprincipals = [{}]\nrules = [{}]\naccounts = [{}]\nuntil = \"{}\"\nreason = {}\n\n",
            list(principals),
            list(rules),
            list(accounts),
            declared.until,
            quoted(&declared.reason)
        ));
    }
    text
}

/// A text of TOML. JSON's quoting is TOML's, but for one character that JSON lets stand.
fn quoted(text: &str) -> String {
    json!(text).to_string().replace('\u{7f}', "\\u007f")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Environment, load_text};
    use crate::model::{AccountId, Arn, ExemptionAnswer, ExemptionRequest};

    #[test]
    fn what_is_exported_is_read_back_as_it_was() {
        let at = "2026-11-23T06:00:00Z".parse().unwrap();
        let granted = RequestedExemption {
            request: ExemptionRequest {
                id: ExemptionId("exm_1".to_owned()),
                account: AccountId::parse("012345678901").unwrap(),
                resource: Arn::parse("arn:aws:iam::012345678901:user/team/a+b=c,d.e@f-g").unwrap(),
                rules: vec![RuleName::new("access_key_rotation"), RuleName::new("user_mfa")],
                until: "2027-01-31".parse().unwrap(),
                reason: "\"quoted\" \\ and\nbroken ]\n[rules]\u{7f}\u{1}".to_owned(),
                owner: None,
                by: Person::new("alice", Way::Chat),
                at,
            },
            answer: Some(ExemptionAnswer {
                granted: true,
                by: Person::new("ann", Way::Chat),
                reason: None,
                at,
            }),
            revoked: None,
        };
        let text = as_configuration([&granted, &granted].into_iter());
        let loaded = load_text(Path::new("exported.toml"), &text, &Environment::empty());
        let expected = Exemption::of_granted(&granted);
        assert_eq!(loaded.unwrap().config.exemptions, [expected.clone(), expected]);
    }
}
