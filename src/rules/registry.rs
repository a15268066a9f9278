//! The table of all rules. Adding a rule adds a line here; everything else that lists rules reads this table.

use super::{
    Context, Judgement, access_analyzer, access_key_rotation, access_review, broad_policies, cloudtrail,
    iam_alarms, instance_roles, password_policy, role_trust, root_account, unused_access_keys,
    unused_passwords, unused_permissions, unused_roles, unused_users, user_mfa,
};
use crate::config::{Config, Mode, Schedule};
use crate::model::{ChangeKind, RuleName};

/// A rule and what the rest of the house needs to know of it.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// Its name in the configuration, plans and metrics.
    pub name: &'static str,
    /// One line for people.
    pub summary: &'static str,
    /// The judgement.
    pub check: fn(&Context<'_>) -> Vec<Judgement>,
    /// Its mode.
    pub mode: fn(&Config) -> Mode,
    /// Its own schedule, where it has one.
    pub schedule: fn(&Config) -> Option<&Schedule>,
    /// Which changes it may lead to under this configuration.
    pub changes: fn(&Config) -> Vec<ChangeKind>,
    /// Its source file, whose module documentation is what users read of it.
    pub source: &'static str,
    /// Which practice of the guide it serves.
    pub practice: Practice,
    /// The recommendations of the CIS AWS Foundations Benchmark v3.0.0 that it answers, by number.
    pub controls: &'static [&'static str],
}

/// The evidence by which a finding names the recommendations that it speaks of, where its rule answers several.
pub const CONTROLS_FACT: &str = "controls";

/// The practices of AWS's guide "Security best practices in IAM" that rules serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Practice {
    /// Grant least privilege, remove what is not used.
    LeastPrivilege,
    /// Require MFA, protect the root user.
    Mfa,
    /// Temporary credentials and roles instead of keys; what remains is rotated.
    LongTermCredentials,
    /// Log and alarm on what happens in IAM.
    Monitoring,
    /// Strong passwords, with rotation.
    Passwords,
    /// Review users, roles, permissions and access from outside, regularly.
    Review,
}

impl Practice {
    /// Every practice, in the order of the report.
    pub const ALL: [Self; 6] = [
        Self::LeastPrivilege,
        Self::Mfa,
        Self::LongTermCredentials,
        Self::Monitoring,
        Self::Passwords,
        Self::Review,
    ];

    /// What people call it.
    pub fn title(self) -> &'static str {
        match self {
            Self::LeastPrivilege => "Least privilege",
            Self::Mfa => "MFA for root and every user",
            Self::LongTermCredentials => "Roles instead of keys, keys rotated",
            Self::Monitoring => "CloudTrail and alarms on IAM activity",
            Self::Passwords => "Strong passwords with rotation",
            Self::Review => "Regular review of roles and permissions",
        }
    }
}

impl Rule {
    /// Its name as a value.
    pub fn rule_name(&self) -> RuleName {
        RuleName::new(self.name)
    }

    /// What users read of it: the documentation of its module, in Markdown.
    pub fn documentation(&self) -> String {
        let lines = self.source.lines().map_while(|line| line.strip_prefix("//!"));
        let lines: Vec<_> = lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
        lines.join("\n")
    }
}

/// Every rule, in the order in which they justify a change that several of them ask for.
pub const REGISTRY: [Rule; 16] = [
    access_key_rotation::ENTRY,
    unused_access_keys::ENTRY,
    password_policy::ENTRY,
    unused_permissions::ENTRY,
    access_review::ENTRY,
    role_trust::ENTRY,
    cloudtrail::ENTRY,
    user_mfa::ENTRY,
    root_account::ENTRY,
    unused_passwords::ENTRY,
    unused_users::ENTRY,
    unused_roles::ENTRY,
    broad_policies::ENTRY,
    iam_alarms::ENTRY,
    access_analyzer::ENTRY,
    instance_roles::ENTRY,
];

/// The rule of that name.
pub fn find(name: &str) -> Option<&'static Rule> {
    REGISTRY.iter().find(|rule| rule.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_documentation_and_a_name_of_its_own() {
        let mut names: Vec<_> = REGISTRY.iter().map(|rule| rule.name).collect();
        for rule in &REGISTRY {
            let documentation = rule.documentation();
            assert!(documentation.len() > 200, "{}: {documentation}", rule.name);
            assert!(!documentation.contains("//!"), "{}", rule.name);
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), REGISTRY.len());
    }
}
