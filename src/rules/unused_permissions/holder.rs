//! What holds policies: users, groups and roles in one shape, and which of them the rule is about.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use crate::config::UnusedPermissions;
use crate::inventory::{AttachedPolicy, Authorization, Group, InlinePolicy, LastUsed, Reading, Role, User};
use crate::model::{AccountId, Arn, Owner, PrincipalKind, RuleName, Span};
use crate::rules::trust::{Trust, Trusted};
use crate::rules::{Context, Standing};

use super::age::Terms;
use super::evidence::{Doubt, KeptBy};
use super::tracking::blind_spot;

/// The window of a role that outsiders may assume: disaster recovery, auditors and vendors run yearly (P3).
const OUTSIDERS_WINDOW: Span = Span::from_days(365);

/// Services whose roles do their work all the time: compute on which a workload runs. Roles handed to any other
/// service (Lambda, EventBridge, Backup, Config …) may rightly rest for a year.
const WORKLOADS: [&str; 3] = [
    "ec2.amazonaws.com",
    "ecs-tasks.amazonaws.com",
    "pods.eks.amazonaws.com",
];

/// A user, group or role, as far as this rule looks at it.
#[derive(Debug, Clone)]
pub(in crate::rules) struct Holder<'a> {
    pub(in crate::rules) arn: &'a Arn,
    pub(in crate::rules) name: &'a str,
    pub(in crate::rules) kind: PrincipalKind,
    pub(in crate::rules) created_at: DateTime<Utc>,
    pub(in crate::rules) attached: &'a [AttachedPolicy],
    pub(in crate::rules) inline: &'a [InlinePolicy],
    pub(in crate::rules) boundary: Option<&'a Arn>,
    /// Its tags; groups have none.
    pub(in crate::rules) tags: Option<&'a BTreeMap<String, String>>,
    /// The last use of its credentials, beside what Access Advisor says.
    pub(in crate::rules) last_seen: Option<DateTime<Utc>>,
    /// The members of a group.
    pub(in crate::rules) members: Vec<&'a User>,
    /// Who may assume a role.
    trust: Option<Result<Trustees, String>>,
}

/// Who may assume a role, as far as it says how rarely the role may rightly be used (P2, P3).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Trustees {
    /// Other accounts, and identity providers. Kept as written.
    outsiders: BTreeSet<String>,
    /// Services that invoke it, and are not where workloads run.
    invoking_services: BTreeSet<String>,
}

impl Trustees {
    fn of(trust: &Trust) -> Self {
        let mut trustees = Self::default();
        for grant in &trust.grants {
            let who = grant.text.clone();
            match &grant.who {
                Trusted::Own => {}
                Trusted::Service(name) if WORKLOADS.contains(&name.to_ascii_lowercase().as_str()) => {}
                Trusted::Service(_) => {
                    trustees.invoking_services.insert(who);
                }
                Trusted::Everyone
                | Trusted::EveryoneBut
                | Trusted::Account(_)
                | Trusted::OtherPrincipal(_)
                | Trusted::Deleted(_)
                | Trusted::Provider(_)
                | Trusted::Other(_) => {
                    trustees.outsiders.insert(who);
                }
            }
        }
        trustees
    }
}

/// Why a violation stays a proposal in every mode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ReportOnly {
    /// P2, P3 or P7.
    pub(super) rule: &'static str,
    pub(super) why: String,
}

impl<'a> Holder<'a> {
    /// Everything that holds policies, by ARN within its kind.
    pub(in crate::rules) fn all(authorization: &'a Authorization, account: &AccountId) -> Vec<Self> {
        let members = members_by_group(authorization);
        let users = authorization.users.iter().map(Self::user);
        let groups = authorization.groups.iter().map(|group| {
            let members = members.get(&group.name.to_ascii_lowercase()).cloned();
            Self::group(group, members.unwrap_or_default())
        });
        let roles = authorization.roles.iter().map(|role| Self::role(role, account));
        users.chain(groups).chain(roles).collect()
    }

    pub(in crate::rules) fn user(user: &'a User) -> Self {
        Self {
            arn: &user.arn,
            name: &user.name,
            kind: PrincipalKind::User,
            created_at: user.created_at,
            attached: &user.attached,
            inline: &user.inline,
            boundary: user.boundary.as_ref(),
            tags: Some(&user.tags),
            last_seen: last_seen(user),
            members: Vec::new(),
            trust: None,
        }
    }

    fn group(group: &'a Group, members: Vec<&'a User>) -> Self {
        Self {
            arn: &group.arn,
            name: &group.name,
            kind: PrincipalKind::Group,
            created_at: group.created_at,
            attached: &group.attached,
            inline: &group.inline,
            boundary: None,
            tags: None,
            last_seen: None,
            members,
            trust: None,
        }
    }

    pub(super) fn role(role: &'a Role, account: &AccountId) -> Self {
        Self {
            arn: &role.arn,
            name: &role.name,
            kind: PrincipalKind::Role,
            created_at: role.created_at,
            attached: &role.attached,
            inline: &role.inline,
            boundary: role.boundary.as_ref(),
            tags: Some(&role.tags),
            last_seen: role.last_used_at,
            members: Vec::new(),
            trust: Some(match Trust::of_document(&role.trust, account) {
                Ok(trust) => Ok(Trustees::of(&trust)),
                Err(error) => Err(error.to_string()),
            }),
        }
    }

    /// Whether the rule is about it at all: the right kind, ours, with something attached, and old enough.
    pub(super) fn is_in_scope(&self, settings: &UnusedPermissions, now: DateTime<Utc>) -> bool {
        let age = now.signed_duration_since(self.created_at);
        let floor = self.window(&Terms::of(settings)).max(settings.minimum_age);
        settings.principals.contains(&self.kind)
            && !self.arn.is_role_of_aws()
            && !self.attached.is_empty()
            && (self.kind != PrincipalKind::Group || !self.members.is_empty())
            && age >= floor.delta()
    }

    /// For how long nothing may have been used.
    pub(in crate::rules) fn window(&self, terms: &Terms) -> Span {
        match &self.trust {
            Some(Ok(trust)) if !trust.outsiders.is_empty() => terms.unused_for.max(OUTSIDERS_WINDOW),
            Some(_) | None => terms.unused_for,
        }
    }

    /// The outsiders who may assume it.
    pub(super) fn outsiders(&self) -> Vec<&str> {
        match &self.trust {
            Some(Ok(trust)) => trust.outsiders.iter().map(String::as_str).collect(),
            Some(Err(_)) | None => Vec::new(),
        }
    }

    /// Whether its trust policy could be read.
    pub(in crate::rules) fn check_trust(&self) -> Result<(), Doubt> {
        match &self.trust {
            Some(Err(why)) => Err(Doubt::new(
                KeptBy::P3,
                format!("who may assume the role is unknown: {why}"),
            )),
            Some(Ok(_)) | None => Ok(()),
        }
    }

    /// Why nothing is ever detached from it, only proposed (P2, P3, P7).
    pub(super) fn report_only(&self, ctx: &Context<'_>) -> Option<ReportOnly> {
        if !self.arn.partition().is_commercial() {
            let why = "outside the partition aws the evidence of Access Advisor does not suffice";
            return Some(ReportOnly {
                rule: "P7",
                why: why.to_owned(),
            });
        }
        if let Some(why) = blind_spot(ctx.config) {
            return Some(ReportOnly { rule: "P7", why });
        }
        if self
            .arn
            .resource()
            .to_ascii_lowercase()
            .starts_with("role/service-role/")
        {
            let why = "a service made the role for itself and may invoke it rarely";
            return Some(ReportOnly {
                rule: "P2",
                why: why.to_owned(),
            });
        }
        match &self.trust {
            Some(Ok(trust)) if !trust.invoking_services.is_empty() => {
                let services: Vec<_> = trust.invoking_services.iter().map(String::as_str).collect();
                let why = format!("{} may invoke the role, perhaps rarely", services.join(" and "));
                Some(ReportOnly { rule: "P3", why })
            }
            Some(_) | None => None,
        }
    }

    /// The stack that declares it, where it says so (P4).
    pub(super) fn cloudformation_stack(&self) -> Option<&'a str> {
        let tags = self.tags?;
        let named = tags.get("aws:cloudformation:stack-name").map(String::as_str);
        named.or_else(|| {
            let other = tags
                .iter()
                .find(|(key, _)| key.starts_with("aws:cloudformation:"));
            other.map(|(_, value)| value.as_str())
        })
    }

    /// Who answers for it.
    pub(in crate::rules) fn owner(&self, ctx: &Context<'_>) -> Option<Owner> {
        match self.tags {
            Some(tags) => ctx.owner(self.arn, tags),
            None => ctx.owner(self.arn, &BTreeMap::new()),
        }
    }

    /// How it stands towards the rule. A group stands as its members do: one that is to be left alone is enough.
    pub(in crate::rules) fn standing(
        &self,
        ctx: &Context<'_>,
        rule: &RuleName,
    ) -> (Standing, Option<&'a User>) {
        let own = ctx.standing(rule, self.arn);
        if !is_subject(&own) {
            return (own, None);
        }
        for member in &self.members {
            let standing = ctx.standing(rule, &member.arn);
            if !is_subject(&standing) {
                return (standing, Some(member));
            }
        }
        (own, None)
    }

    /// Whose reports a verdict on its attachments needs.
    pub(in crate::rules) fn reported_on(&self) -> impl Iterator<Item = &'a Arn> {
        let members: Vec<&'a Arn> = self.members.iter().map(|user| &user.arn).collect();
        std::iter::once(self.arn).chain(members)
    }
}

/// The members of each group, sorted, by its name in lower case: IAM names are unique without regard to case.
fn members_by_group(authorization: &Authorization) -> BTreeMap<String, Vec<&User>> {
    let mut members: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for user in &authorization.users {
        let groups: BTreeSet<_> = user.groups.iter().map(|name| name.to_ascii_lowercase()).collect();
        for group in groups {
            members.entry(group).or_default().push(user);
        }
    }
    for of_group in members.values_mut() {
        of_group.sort_by_key(|user| &user.arn);
    }
    members
}

/// Whether the rule applies to what stands so.
pub(in crate::rules) fn is_subject(standing: &Standing) -> bool {
    match standing {
        Standing::Subject { .. } => true,
        Standing::Protected(_) | Standing::Own | Standing::Exempt(_) => false,
    }
}

fn last_seen(user: &User) -> Option<DateTime<Utc>> {
    let credentials = user.credentials.as_ref().and_then(Reading::known)?;
    let keys = credentials.access_keys.iter();
    let by_key = keys
        .filter_map(|key| key.last_used.known().and_then(LastUsed::at))
        .max();
    let password = credentials.password.known().and_then(Option::as_ref);
    by_key.max(password.and_then(|password| password.last_used))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trustees(principal: &str) -> Trustees {
        let account = AccountId::parse("123456789012").unwrap();
        let text = format!(
            r#"{{"Statement":[{{"Effect":"Allow","Principal":{principal},"Action":"sts:AssumeRole"}}]}}"#
        );
        Trustees::of(&Trust::of_document(&text, &account).unwrap())
    }

    #[test]
    fn own_account_and_workloads_are_nothing_special() {
        for principal in [
            r#"{"AWS":"123456789012"}"#,
            r#"{"AWS":["arn:aws:iam::123456789012:root","arn:aws:iam::123456789012:role/x"]}"#,
            r#"{"Service":["ec2.amazonaws.com","ecs-tasks.amazonaws.com"]}"#,
        ] {
            assert_eq!(trustees(principal), Trustees::default(), "{principal}");
        }
    }

    #[test]
    fn outsiders_are_named() {
        for principal in [
            r#""*""#,
            r#"{"AWS":"*"}"#,
            r#"{"AWS":"arn:aws:iam::999999999999:root"}"#,
            r#"{"AWS":"AROAEXAMPLEEXAMPLEX"}"#,
            r#"{"Federated":"arn:aws:iam::123456789012:saml-provider/idp"}"#,
            r#"{"Federated":"accounts.google.com"}"#,
            r#"{"CanonicalUser":"79a59d"}"#,
            "7",
        ] {
            assert_eq!(trustees(principal).outsiders.len(), 1, "{principal}");
        }
    }

    #[test]
    fn invoking_services_are_named() {
        let both =
            trustees(r#"{"Service":["lambda.amazonaws.com","ec2.amazonaws.com","config.amazonaws.com"]}"#);
        assert_eq!(both.invoking_services.len(), 2);
        assert!(both.outsiders.is_empty());
    }
}
