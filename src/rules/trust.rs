//! Who may assume a role: its trust policy, parsed once for every rule that asks.

use serde_json::Value;

use crate::model::{AccountId, Arn, Clause, Effect, PolicyDocument, PolicyDocumentError, Statement};

/// How somebody becomes a role: by AWS credentials, or by what an identity provider says.
const BY_CREDENTIALS: &str = "AssumeRole";
const BY_PROVIDER: [&str; 2] = ["AssumeRoleWithSAML", "AssumeRoleWithWebIdentity"];
const EVERY_WAY: [&str; 3] = [BY_CREDENTIALS, BY_PROVIDER[0], BY_PROVIDER[1]];

/// Who is named in a trust policy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Trusted {
    /// `*`: every principal of every account.
    Everyone,
    /// Everyone but those named, by `NotPrincipal`.
    EveryoneBut,
    /// This account, or a principal of it.
    Own,
    /// Another account as a whole.
    Account(AccountId),
    /// A principal of another account.
    OtherPrincipal(Arn),
    /// A principal that was deleted: AWS shows its unique id in place of its name.
    Deleted(String),
    /// An AWS service.
    Service(String),
    /// An identity provider: the ARN of an OIDC or SAML provider, or a name such as `cognito-identity.amazonaws.com`.
    Provider(String),
    /// Anything else, as written.
    Other(String),
}

impl Trusted {
    /// The actions by which such a principal may assume a role.
    fn ways(&self) -> &'static [&'static str] {
        match self {
            Self::Everyone | Self::EveryoneBut | Self::Other(_) => &EVERY_WAY,
            Self::Own | Self::Account(_) | Self::OtherPrincipal(_) | Self::Deleted(_) | Self::Service(_) => {
                &[BY_CREDENTIALS]
            }
            Self::Provider(_) => &BY_PROVIDER,
        }
    }
}

/// One principal of one statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Grant {
    /// Who.
    pub(super) who: Trusted,
    /// The same as written.
    pub(super) text: String,
    /// The ways by which it may assume the role; none: it may only tag or name sessions.
    pub(super) ways: Vec<&'static str>,
    /// Under which conditions.
    pub(super) clauses: Vec<Clause>,
}

/// A Deny statement for every principal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Denial {
    /// The ways that are barred.
    ways: Vec<&'static str>,
    /// Under which conditions; none: always.
    pub(super) clauses: Vec<Clause>,
}

impl Denial {
    /// Whether all that the grant allows is barred by it, where its conditions hold.
    pub(super) fn bars(&self, grant: &Grant) -> bool {
        grant.ways.iter().all(|way| self.ways.contains(way))
    }
}

/// What a trust policy says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Trust {
    /// Everybody whom an Allow statement names.
    pub(super) grants: Vec<Grant>,
    /// The Deny statements that bar everybody.
    pub(super) denials: Vec<Denial>,
}

impl Trust {
    /// Of a decoded trust policy of a role of this account.
    ///
    /// # Errors
    /// Where it cannot be parsed.
    pub(super) fn of_document(text: &str, account: &AccountId) -> Result<Self, PolicyDocumentError> {
        let document = PolicyDocument::parse(text)?;
        let mut trust = Self::default();
        for statement in &document.statements {
            let clauses = Clause::of(statement)?;
            let principals = principals(statement, account);
            if principals.is_empty() {
                let why = "a statement of a trust policy names nobody".to_owned();
                return Err(PolicyDocumentError::Grammar(why));
            }
            match statement.effect {
                Effect::Allow => trust
                    .grants
                    .extend(principals.into_iter().map(|(who, text)| Grant {
                        ways: covered(statement, who.ways()),
                        clauses: clauses.clone(),
                        who,
                        text,
                    })),
                Effect::Deny if principals.iter().any(|(who, _)| *who == Trusted::Everyone) => {
                    trust.denials.push(Denial {
                        ways: covered(statement, &EVERY_WAY),
                        clauses,
                    })
                }
                // What bars somebody in particular does not show that others are barred.
                Effect::Deny => {}
            }
        }
        Ok(trust)
    }
}

fn covered(statement: &Statement, ways: &[&'static str]) -> Vec<&'static str> {
    let covers = |way: &&'static str| statement.actions.include("sts", way);
    ways.iter().copied().filter(covers).collect()
}

fn principals(statement: &Statement, account: &AccountId) -> Vec<(Trusted, String)> {
    let mut found = Vec::new();
    if statement.rest.contains_key("NotPrincipal") {
        found.push((Trusted::EveryoneBut, "everyone but those named".to_owned()));
    }
    match statement.rest.get("Principal") {
        None => {}
        Some(Value::Object(kinds)) => {
            for (kind, who) in kinds {
                let names = match who.as_array() {
                    Some(items) => items.iter().map(text_of).collect(),
                    None => vec![text_of(who)],
                };
                found.extend(
                    names
                        .into_iter()
                        .map(|name| (trusted(kind, &name, account), name)),
                );
            }
        }
        Some(Value::String(all)) if all == "*" => found.push((Trusted::Everyone, all.clone())),
        Some(other) => found.push((Trusted::Other(text_of(other)), text_of(other))),
    }
    found
}

fn trusted(kind: &str, name: &str, account: &AccountId) -> Trusted {
    match kind {
        "AWS" if name == "*" => Trusted::Everyone,
        "AWS" => of_account(name, account),
        "Service" => Trusted::Service(name.to_owned()),
        "Federated" => Trusted::Provider(name.to_owned()),
        // Canonical users, and kinds that are yet to come.
        _ => Trusted::Other(name.to_owned()),
    }
}

fn of_account(name: &str, own: &AccountId) -> Trusted {
    let arn = Arn::parse(name).ok();
    let id = AccountId::parse(arn.as_ref().map_or(name, Arn::account)).ok();
    match (id, arn) {
        (Some(id), _) if id == *own => Trusted::Own,
        (Some(id), None) => Trusted::Account(id),
        (Some(id), Some(arn)) if arn.resource() == "root" => Trusted::Account(id),
        (Some(_), Some(arn)) => Trusted::OtherPrincipal(arn),
        (None, None) if is_unique_id(name) => Trusted::Deleted(name.to_owned()),
        (None, Some(_) | None) => Trusted::Other(name.to_owned()),
    }
}

/// Whether the text is the unique id of a user or role (`AIDA…`, `AROA…`).
fn is_unique_id(text: &str) -> bool {
    text.len() >= 16
        && (text.starts_with("AIDA") || text.starts_with("AROA"))
        && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            value.to_string()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trust(statements: &str) -> Trust {
        let account = AccountId::parse("123456789012").unwrap();
        Trust::of_document(&format!(r#"{{"Statement":[{statements}]}}"#), &account).unwrap()
    }

    fn who(principal: &str) -> Vec<Trusted> {
        let text = format!(r#"{{"Effect":"Allow","Principal":{principal},"Action":"sts:AssumeRole"}}"#);
        trust(&text).grants.into_iter().map(|grant| grant.who).collect()
    }

    #[test]
    fn principals_are_told_apart() {
        let other = || AccountId::parse("999999999999").unwrap();
        let role = "arn:aws:iam::999999999999:role/x";
        for (principal, expected) in [
            (r#""*""#, Trusted::Everyone),
            (r#"{"AWS":"*"}"#, Trusted::Everyone),
            (r#"{"AWS":"123456789012"}"#, Trusted::Own),
            (r#"{"AWS":["arn:aws:iam::123456789012:role/x"]}"#, Trusted::Own),
            (r#"{"AWS":"999999999999"}"#, Trusted::Account(other())),
            (
                r#"{"AWS":"arn:aws:iam::999999999999:root"}"#,
                Trusted::Account(other()),
            ),
            (
                r#"{"AWS":"arn:aws:iam::999999999999:role/x"}"#,
                Trusted::OtherPrincipal(Arn::parse(role).unwrap()),
            ),
            (
                r#"{"AWS":"AROAEXAMPLEEXAMPLEX"}"#,
                Trusted::Deleted("AROAEXAMPLEEXAMPLEX".to_owned()),
            ),
            (r#"{"AWS":"somebody"}"#, Trusted::Other("somebody".to_owned())),
            (
                r#"{"Service":"ec2.amazonaws.com"}"#,
                Trusted::Service("ec2.amazonaws.com".to_owned()),
            ),
            (
                r#"{"Federated":"accounts.google.com"}"#,
                Trusted::Provider("accounts.google.com".to_owned()),
            ),
            (
                r#"{"CanonicalUser":"79a59d"}"#,
                Trusted::Other("79a59d".to_owned()),
            ),
            ("7", Trusted::Other("7".to_owned())),
        ] {
            assert_eq!(who(principal), [expected], "{principal}");
        }
        let but =
            trust(r#"{"Effect":"Allow","NotPrincipal":{"AWS":"123456789012"},"Action":"sts:AssumeRole"}"#);
        assert_eq!(but.grants[0].who, Trusted::EveryoneBut);
    }

    #[test]
    fn a_statement_that_names_nobody_is_a_doubt() {
        let account = AccountId::parse("123456789012").unwrap();
        for nobody in ["", r#""Principal":{},"#, r#""Principal":{"AWS":[]},"#] {
            let text = format!(r#"{{"Statement":[{{"Effect":"Allow",{nobody}"Action":"sts:AssumeRole"}}]}}"#);
            assert!(Trust::of_document(&text, &account).is_err(), "{text}");
        }
    }

    #[test]
    fn a_deny_names_nobody_and_counts_where_it_is_for_all() {
        let denying = trust(
            r#"{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"},
               {"Effect":"Allow","Principal":"*","Action":"sts:*"},
               {"Effect":"Deny","Principal":"*","Action":"sts:AssumeRole"},
               {"Effect":"Deny","Principal":{"AWS":"999999999999"},"Action":"*"}"#,
        );
        assert_eq!((denying.grants.len(), denying.denials.len()), (2, 1));
        let bars: Vec<_> = denying
            .grants
            .iter()
            .map(|grant| denying.denials[0].bars(grant))
            .collect();
        assert_eq!(bars, [true, false], "providers are not barred");
    }

    #[test]
    fn tagging_a_session_is_not_assuming() {
        let tagging = trust(
            r#"{"Effect":"Allow","Principal":{"AWS":"999999999999"},"Action":"sts:TagSession"},
               {"Effect":"Allow","Principal":{"AWS":"999999999999"},"Action":"STS:assumerole*"},
               {"Effect":"Allow","Principal":{"Federated":"accounts.google.com"},"NotAction":"sts:TagSession"}"#,
        );
        let ways: Vec<_> = tagging.grants.iter().map(|grant| grant.ways.len()).collect();
        assert_eq!(ways, [0, 1, 2]);
    }
}
