//! Which services and actions there are, as AWS's service authorization reference lists them.
//!
//! The list is compiled in as text (`catalogue.txt`, made by `tests/python/generate_action_catalogue.py`) and only
//! ever sliced: the index of services is built at the first look, actions are searched in place. So the rule costs
//! nothing while it is off.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::model::Glob;

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| Catalogue::read(include_str!("catalogue.txt")));

/// Services that are never handed a role by their caller (`iam:PassRole`). Every other one may be: AWS's reference
/// names many that take one, and is silent about others that do (CloudFormation, Glue, CodeBuild).
const TAKES_NO_ROLE: [&str; 17] = [
    "acm",
    "ce",
    "dynamodb",
    "ec2-instance-connect",
    "ec2messages",
    "execute-api",
    "health",
    "kms",
    "pricing",
    "secretsmanager",
    "servicequotas",
    "sqs",
    "ssmmessages",
    "sts",
    "support",
    "tag",
    "xray",
];

/// Services that call KMS in the name of their caller where data is encrypted with a key of the account. The
/// reference does not list this among dependent actions.
const ENCRYPTS_FOR_CALLER: [&str; 25] = [
    "athena",
    "backup",
    "cloudtrail",
    "codebuild",
    "dynamodb",
    "ec2",
    "ecr",
    "elasticfilesystem",
    "es",
    "firehose",
    "glue",
    "kinesis",
    "lambda",
    "logs",
    "rds",
    "redshift",
    "s3",
    "s3express",
    "sagemaker",
    "secretsmanager",
    "sns",
    "sqs",
    "ssm",
    "states",
    "xray",
];

const KMS_FOR_CALLER: [&str; 9] = [
    "kms:CreateGrant",
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyPair",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
];

/// What Lambda does in the caller's or the function's name for a function in a network of its own.
const NETWORK_FOR_CALLER: [&str; 6] = [
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcs",
];

/// All services known, by prefix.
#[derive(Debug)]
pub(in crate::rules) struct Catalogue {
    services: BTreeMap<&'static str, Service>,
}

/// One service.
#[derive(Debug, Clone, Copy)]
pub(in crate::rules) struct Service {
    name: &'static str,
    fields: &'static str,
}

/// How an action acts, in the words of AWS's reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::rules) enum AccessLevel {
    /// Lists or reads.
    Read,
    /// Writes or tags.
    Write,
    /// Changes who may do what.
    Permissions,
}

impl Catalogue {
    /// The one that is compiled in.
    pub(in crate::rules) fn compiled_in() -> &'static Self {
        &CATALOGUE
    }

    fn read(text: &'static str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let services = lines.filter_map(|line| {
            let (prefix, rest) = line.split_once('|')?;
            let (name, fields) = rest.split_once('|').unwrap_or((rest, ""));
            let service = Service { name, fields };
            Some((prefix, service))
        });
        Self {
            services: services.collect(),
        }
    }

    /// The service with this prefix, in lower case.
    pub(in crate::rules) fn service(&self, prefix: &str) -> Option<Service> {
        self.services.get(prefix).copied()
    }

    /// Every prefix, sorted.
    pub(in crate::rules) fn prefixes(&self) -> impl Iterator<Item = &'static str> {
        self.services.keys().copied()
    }

    /// What people call the service; its prefix where it is not listed.
    pub(in crate::rules) fn name_of<'a>(&self, prefix: &'a str) -> &'a str
    where
        'static: 'a,
    {
        self.service(prefix).map_or(prefix, |service| service.name)
    }

    /// Whether calls to this service may hand it a role. Of a service that is not listed nobody knows: it may.
    pub(in crate::rules) fn may_take_a_role(&self, prefix: &str) -> bool {
        !TAKES_NO_ROLE.contains(&prefix)
    }

    /// Actions of other services, as `service:Action`, that calls to this one may need besides.
    pub(in crate::rules) fn needed_besides(&self, prefix: &str) -> impl Iterator<Item = &'static str> {
        let listed = self.service(prefix).map(|s| s.field("N")).unwrap_or_default();
        let kms: &[&str] = match ENCRYPTS_FOR_CALLER.contains(&prefix) {
            true => &KMS_FOR_CALLER,
            false => &[],
        };
        let network: &[&str] = match prefix {
            "lambda" => &NETWORK_FOR_CALLER,
            _ => &[],
        };
        listed
            .split(',')
            .filter(|name| !name.is_empty())
            .chain(kms.iter().copied())
            .chain(network.iter().copied())
    }
}

impl Service {
    fn field(self, letter: &str) -> &'static str {
        let found = self
            .fields
            .split('|')
            .filter_map(|field| field.split_once('='))
            .find(|(key, _)| *key == letter);
        found.map(|(_, names)| names).unwrap_or_default()
    }

    fn actions(self) -> impl Iterator<Item = (AccessLevel, &'static str)> {
        let levels = [
            ("P", AccessLevel::Permissions),
            ("W", AccessLevel::Write),
            ("T", AccessLevel::Write),
            ("R", AccessLevel::Read),
            ("L", AccessLevel::Read),
        ];
        levels.into_iter().flat_map(move |(letter, level)| {
            let names = self.field(letter).split(',').filter(|name| !name.is_empty());
            names.map(move |name| (level, name))
        })
    }

    /// The names of its actions.
    pub(in crate::rules) fn names(self) -> impl Iterator<Item = &'static str> {
        self.actions().map(|(_, name)| name)
    }

    /// The gravest level among the actions that the pattern stands for; `None`: it stands for no action known.
    pub(in crate::rules) fn level_of(self, pattern: &Glob) -> Option<AccessLevel> {
        let text = pattern.as_str();
        if !text.contains(['*', '?']) {
            // Nearly all patterns are literal; this path allocates nothing.
            let named = self.actions().find(|(_, name)| name.eq_ignore_ascii_case(text));
            return named.map(|(level, _)| level);
        }
        if is_every_action(pattern) {
            // A service may have no action listed yet, and still `service:*` is a pattern that AWS knows.
            return Some(
                self.actions()
                    .map(|(level, _)| level)
                    .max()
                    .unwrap_or(AccessLevel::Write),
            );
        }
        let head = text.split(['*', '?']).next().unwrap_or_default();
        let may_match = |name: &str| {
            name.get(..head.len())
                .is_some_and(|own| own.eq_ignore_ascii_case(head))
        };
        let mut gravest = None;
        for (level, name) in self.actions().filter(|(_, name)| may_match(name)) {
            // Gravest first: the rest cannot raise it.
            if gravest.is_some_and(|found| found >= level) {
                continue;
            }
            if pattern.matches(name) {
                gravest = Some(level);
            }
        }
        gravest
    }

    /// Whether the pattern stands for this action alone, of all that are known.
    pub(in crate::rules) fn is_only(self, pattern: &Glob, action: &str) -> bool {
        let mut matched = self.actions().filter(|(_, name)| pattern.matches(name));
        matched
            .next()
            .is_some_and(|(_, name)| name.eq_ignore_ascii_case(action))
            && matched.next().is_none()
    }
}

/// Whether the pattern is stars alone, and so stands for every action of its service.
pub(in crate::rules) fn is_every_action(pattern: &Glob) -> bool {
    let text = pattern.as_str();
    !text.is_empty() && text.bytes().all(|b| b == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(action: &str) -> Option<AccessLevel> {
        let (prefix, action) = action.split_once(':').unwrap();
        let service = Catalogue::compiled_in().service(prefix)?;
        service.level_of(&Glob::new(action))
    }

    #[test]
    fn the_compiled_in_list_is_whole() {
        let catalogue = Catalogue::compiled_in();
        assert!(catalogue.prefixes().count() > 400);
        for prefix in catalogue.prefixes() {
            let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            assert!(prefix.bytes().all(plain), "{prefix}");
            let service = catalogue.service(prefix).unwrap();
            assert!(!service.name.is_empty(), "{prefix}");
            for field in service.fields.split('|').filter(|field| !field.is_empty()) {
                let (letter, names) = field.split_once('=').unwrap();
                assert!("LRWTPN".contains(letter) && !names.is_empty(), "{prefix} {field}");
            }
            for besides in catalogue.needed_besides(prefix) {
                assert_eq!(besides.matches(':').count(), 1, "{prefix} {besides}");
            }
        }
        assert!(
            catalogue
                .prefixes()
                .map(|p| catalogue.service(p).unwrap().actions().count())
                .sum::<usize>()
                > 20_000
        );
        assert_eq!(catalogue.name_of("sqs"), "Amazon SQS");
        assert_eq!(catalogue.name_of("not-a-service"), "not-a-service");
    }

    #[test]
    fn patterns_have_the_level_of_their_gravest_action() {
        assert_eq!(level("sqs:receivemessage"), Some(AccessLevel::Read));
        assert_eq!(
            level("sqs:Re*"),
            Some(AccessLevel::Permissions),
            "RemovePermission is one of them"
        );
        assert_eq!(level("sqs:Send*"), Some(AccessLevel::Write));
        assert_eq!(level("sqs:*"), Some(AccessLevel::Permissions));
        assert_eq!(level("sqs:NoSuchAction"), None);
        assert_eq!(level("sqs:Zzz*"), None);
        assert_eq!(level("nothing:Get*"), None);
    }

    #[test]
    fn what_is_needed_besides() {
        let catalogue = Catalogue::compiled_in();
        let needs =
            |prefix: &str, action: &str| catalogue.needed_besides(prefix).any(|found| found == action);
        assert!(needs("s3", "kms:Decrypt"));
        assert!(needs("lambda", "ec2:CreateNetworkInterface"));
        assert!(needs("ecs", "iam:PassRole"));
        assert!(!needs("sts", "kms:Decrypt"));
        assert!(catalogue.may_take_a_role("lambda") && catalogue.may_take_a_role("not-a-service"));
        for prefix in TAKES_NO_ROLE {
            assert!(!catalogue.may_take_a_role(prefix));
            assert!(!needs(prefix, "iam:PassRole"), "{prefix} takes a role after all");
        }
    }

    #[test]
    fn names_in_the_tables_are_known() {
        let catalogue = Catalogue::compiled_in();
        for prefix in TAKES_NO_ROLE.iter().chain(&ENCRYPTS_FOR_CALLER) {
            assert!(catalogue.service(prefix).is_some(), "{prefix}");
        }
        for action in KMS_FOR_CALLER.iter().chain(&NETWORK_FOR_CALLER) {
            assert!(level(action).is_some(), "{action}");
        }
    }
}
