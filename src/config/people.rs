//! Who is who: one person appears under several names, and nobody decides for himself.

use std::collections::BTreeSet;

use super::{Approvals, Config, OwnerEntry};
use crate::model::{AccountId, Arn, Owner, Person, PrincipalKind, Way};

impl Approvals {
    /// Whether this person may decide at all. An empty list of approvers names nobody but whoever has the command line.
    pub fn may_decide(&self, person: &Person) -> bool {
        match person.way {
            Way::CommandLine if !self.command_line => false,
            Way::CommandLine if self.approvers.is_empty() => true,
            Way::CommandLine | Way::Chat | Way::Page => self.names_approver(&person.name),
        }
    }

    /// Whether one of the names under which this person is declared is that of an approver.
    fn names_approver(&self, name: &str) -> bool {
        let is_approver = |name: &str| self.approvers.iter().any(|approver| approver == name);
        let declared = self
            .people
            .iter()
            .filter(|person| person.name == name || person.also.iter().any(|also| also == name));
        let aliases = declared.flat_map(|person| std::iter::once(&person.name).chain(&person.also));
        is_approver(name) || aliases.into_iter().any(|alias| is_approver(alias))
    }
}

impl Config {
    /// All names of whoever goes by this one, in lower case: as declared in `approvals.people`, and as the owner whom a
    /// chat mentions by that user id. Wide on purpose: it is only ever asked in order to refuse.
    fn names_of(&self, name: &str) -> BTreeSet<String> {
        let declared = self.approvals.people.iter().map(|person| {
            let names = std::iter::once(&person.name).chain(&person.also);
            names.map(|name| name.to_lowercase()).collect::<BTreeSet<_>>()
        });
        let mentioned = self.notifications.owners.iter().filter_map(|entry| match entry {
            OwnerEntry::Route(route) => {
                let id = mentioned_user(route.mention.as_deref()?)?;
                let owner = route.pattern.as_str();
                let literal = !owner.contains(['*', '?', '[', '{']);
                literal.then(|| BTreeSet::from([owner.to_lowercase(), id.to_lowercase()]))
            }
            OwnerEntry::Map(_) => None,
        });
        let groups: Vec<_> = declared.chain(mentioned).collect();
        let mut names = BTreeSet::from([name.to_lowercase()]);
        loop {
            let known = names.len();
            for group in &groups {
                if !group.is_disjoint(&names) {
                    names.extend(group.iter().cloned());
                }
            }
            if names.len() == known {
                return names;
            }
        }
    }

    /// Whether two names are of one person, as far as anything declared says so.
    pub fn is_same_person(&self, one: &str, other: &str) -> bool {
        self.names_of(one).contains(&other.to_lowercase())
    }

    /// Whether a principal is this person, with the reason in words: an IAM user of one of the person's names, or of the
    /// part of it before the `@`; or a principal whose owner the person is, unless only because the account's owner is.
    pub fn is_oneself(
        &self,
        person: &str,
        account: &AccountId,
        resource: &Arn,
        owner: Option<&Owner>,
    ) -> Option<String> {
        let kind = resource.principal_kind()?;
        let names = self.names_of(person);
        let user = resource.name().to_lowercase();
        let is_user = names
            .iter()
            .any(|name| *name == user || name.split_once('@').is_some_and(|(local, _)| local == user));
        if kind == PrincipalKind::User && is_user {
            return Some(format!("{person} is the user {}", resource.name()));
        }
        let of_account = self.accounts.iter().find(|known| known.id == *account);
        let of_account = of_account.and_then(|account| account.owner.as_ref());
        let owner = owner.filter(|owner| of_account != Some(*owner))?;
        names
            .contains(&owner.0.to_lowercase())
            .then(|| format!("{person} is the owner of {}", resource.resource()))
    }
}

/// The user id in Slack's markup of a mention: `<@U012ABCDEF>`, `<@U012ABCDEF|alice>`.
fn mentioned_user(mention: &str) -> Option<&str> {
    let (_, rest) = mention.split_once("<@")?;
    let id = rest.split(|c: char| !c.is_ascii_alphanumeric()).next()?;
    (!id.is_empty()).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::configured;

    fn person(name: &str, way: Way) -> Person {
        Person::new(name, way)
    }

    #[test]
    fn without_approvers_only_the_command_line_decides() {
        let config = configured("");
        assert!(config.approvals.may_decide(&person("ann", Way::CommandLine)));
        for way in [Way::Chat, Way::Page] {
            assert!(!config.approvals.may_decide(&person("ann", way)));
        }
        let config = configured("approvals.command_line = false");
        assert!(!config.approvals.may_decide(&person("ann", Way::CommandLine)));
    }

    #[test]
    fn approvers_are_known_by_each_of_their_names_and_nobody_else_is() {
        let config = configured(
            r#"
            [approvals]
            approvers = ["sec@example.com", "U0BOB"]
            [[approvals.people]]
            name = "sec@example.com"
            also = ["U0SEC", "seclead"]
            "#,
        );
        for name in ["sec@example.com", "U0SEC", "seclead", "U0BOB"] {
            for way in [Way::CommandLine, Way::Chat, Way::Page] {
                assert!(config.approvals.may_decide(&person(name, way)), "{name}");
            }
        }
        for name in ["", "U0SE", "u0sec", "eve", "sec@example.com "] {
            assert!(!config.approvals.may_decide(&person(name, Way::Chat)), "{name}");
        }
        assert!(config.is_same_person("u0sec", "SEC@example.com"));
        assert!(!config.is_same_person("U0SEC", "U0BOB"));
    }

    #[test]
    fn nobody_is_anybody_else_than_himself() {
        let config = configured(
            r#"
            [[accounts]]
            id = "123456789012"
            owner = "platform@example.com"
            [[approvals.people]]
            name = "sec@example.com"
            also = ["U0SEC", "s.lead"]
            [[notifications.channels]]
            name = "chat"
            kind = "slack"
            url = "env:CHAT"
            [[notifications.owners]]
            match = "alice@example.com"
            channel = "chat"
            mention = "<@U0ALICE>"
            [[notifications.owners]]
            match = "*@example.com"
            channel = "chat"
            mention = "<@U0ALL>"
            "#,
        );
        let oneself = |name: &str, resource: &str, owner: Option<&str>| {
            let resource = Arn::parse(&format!("arn:aws:iam::123456789012:{resource}")).unwrap();
            let owner = owner.map(|owner| Owner(owner.to_owned()));
            let account = AccountId::parse("123456789012").unwrap();
            config
                .is_oneself(name, &account, &resource, owner.as_ref())
                .is_some()
        };
        assert!(oneself("U0SEC", "user/team/S.Lead", None), "by another name");
        assert!(oneself("seclead", "user/seclead", None));
        assert!(oneself("alice@example.com", "user/alice", None), "before the @");
        assert!(oneself("U0ALICE", "user/alice", None), "by the mention");
        assert!(
            oneself("U0ALICE", "role/batch", Some("Alice@example.com")),
            "as its owner"
        );
        assert!(!oneself("U0ALICE", "role/alice", None), "a role is nobody");
        assert!(
            !oneself("U0ALL", "role/batch", Some("bob@example.com")),
            "a pattern names nobody"
        );
        assert!(!oneself("bob", "user/alice", Some("alice@example.com")));
        assert!(
            !oneself("platform@example.com", "user/alice", Some("platform@example.com")),
            "the account's owner owns what nobody else does"
        );
        assert!(!oneself("root", "root", None), "an account is nobody");
    }
}
