//! The forms that texts of the configuration take: each with its name in the JSON Schema and the parser that decides.

use std::borrow::Cow;
use std::marker::PhantomData;

use chrono::NaiveDate;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::problem::{printable, quoted};
use super::{Schedule, SecretReference, Window};
use crate::model::{AccountId, Arn, Region, Span, UnitName};

/// The form of a text.
#[derive(Debug)]
pub(super) struct Format {
    /// The name of its definition in the JSON Schema.
    pub(super) name: &'static str,
    /// What it is, for people; follows "is not".
    pub(super) expected: &'static str,
    /// A pattern for editors: it lets through everything that `parse` does, and refuses the plainly wrong.
    pub(super) pattern: &'static str,
    /// Decides; a complaint says everything, the value included, unless the format is of secrets.
    parse: fn(&str) -> Result<(), String>,
}

/// Every format.
pub(super) const FORMATS: [Format; 15] = [
    Format {
        name: "Duration",
        expected: r#"a duration (a number and a unit: s, m, h, d or w, such as "90d", "12h" or "0s")"#,
        pattern: r"^\s*([0-9]+[smhdw])+\s*$",
        parse: |text| accept(Span::parse(text)),
    },
    Format {
        name: "Schedule",
        expected: r#"a schedule (six or seven fields, seconds first, in UTC, weekdays by name, such as "0 0 6 * * *")"#,
        pattern: r"\S",
        parse: |text| accept(Schedule::parse(text)),
    },
    Format {
        name: "Window",
        expected: r#"a window (hours, with days before them if not every day, such as "Mon-Thu 09:00-16:00")"#,
        pattern: r"^.*[0-9]{1,2}:[0-9]{1,2}-[0-9]{1,2}:[0-9]{1,2}\s*$",
        parse: |text| accept(Window::parse(text)),
    },
    Format {
        name: "SecretReference",
        expected: "a reference to a secret (env:NAME, file:PATH, secretsmanager:NAME or secretsmanager:NAME#json-key)",
        pattern: r"^(env|file|secretsmanager):.+$",
        parse: |text| accept(SecretReference::parse(text)),
    },
    Format {
        name: "AccountId",
        expected: "an AWS account id (twelve digits, leading zeros included)",
        pattern: r"^[0-9]{12}$",
        parse: |text| accept(AccountId::parse(text)),
    },
    Format {
        name: "RoleArn",
        expected: "the ARN of an IAM role (arn:aws:iam::ACCOUNT:role/NAME)",
        pattern: r"^arn:[^:]+:iam::[0-9]{12}:role/.+$",
        parse: parse_role_arn,
    },
    Format {
        name: "Glob",
        expected: "a pattern (`*` stands for any text, `?` for one character; it must not be blank)",
        pattern: r"\S",
        parse: |text| refuse_blank(text, "a blank pattern matches nothing"),
    },
    Format {
        name: "Owner",
        expected: "the name of an owner (an address, a handle, a team; it must not be blank)",
        pattern: r"\S",
        parse: |text| refuse_blank(text, "the name of an owner must not be blank"),
    },
    Format {
        name: "Date",
        expected: r#"a date (year, month, day, such as "2027-01-31")"#,
        pattern: r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
        parse: parse_date,
    },
    Format {
        name: "TimeZone",
        expected: r#"a time zone (an IANA name such as "Europe/Berlin")"#,
        pattern: r"\S",
        parse: |text| {
            let zone: Result<chrono_tz::Tz, _> = text.parse();
            zone.map(drop).map_err(|_| {
                format!(
                    "{} is not a time zone (an IANA name such as \"Europe/Berlin\")",
                    quoted(text)
                )
            })
        },
    },
    Format {
        name: "ListenAddress",
        expected: r#"an address and a port (such as "127.0.0.1:8787" or "[::1]:8787")"#,
        pattern: r":[0-9]+$",
        parse: |text| {
            let address: Result<std::net::SocketAddr, _> = text.parse();
            address.map(drop).map_err(|_| {
                format!(
                    "{} is not an address and a port (such as \"127.0.0.1:8787\" or \"[::1]:8787\"; names are not looked up)",
                    quoted(text)
                )
            })
        },
    },
    Format {
        name: "Network",
        expected: r#"a network (an address and the length of its prefix, such as "10.0.0.0/8")"#,
        pattern: r"/[0-9]+$",
        parse: |text| {
            let network: Result<ipnet::IpNet, _> = text.parse();
            network.map(drop).map_err(|_| {
                format!(
                    "{} is not a network (an address and the length of its prefix, such as \"10.0.0.0/8\")",
                    quoted(text)
                )
            })
        },
    },
    Format {
        name: "Region",
        expected: "a region (the name that AWS uses, such as eu-central-1)",
        pattern: r"^[a-z]+(-[a-z]+)+-[0-9]+$",
        parse: |text| accept(Region::parse(text)),
    },
    Format {
        name: "Unit",
        expected: r#"a unit of the organization (a path such as "/Workloads/Dev", or an id such as "ou-ab12-34567890")"#,
        pattern: r"^(/|ou-)",
        parse: |text| {
            let unit = UnitName::parse(text).map_err(|why| format!("{}: {why}", quoted(text)));
            unit.map(drop)
        },
    },
    Format {
        name: "AccountOrUnit",
        expected: r#"an account id (twelve digits) or a unit of the organization (a path such as "/Sandbox", or an id such as "ou-ab12-34567890")"#,
        pattern: r"^([0-9]{12}$|/|ou-)",
        parse: |text| match AccountId::parse(text).is_ok() || UnitName::parse(text).is_ok() {
            true => Ok(()),
            false => Err(format!(
                "{} is neither an account id (twelve digits) nor a unit (a path such as \"/Sandbox\", or an id such as \"ou-ab12-34567890\")",
                quoted(text)
            )),
        },
    },
];

impl Format {
    /// By the name of its definition in the JSON Schema.
    pub(super) fn named(name: &str) -> Option<&'static Self> {
        FORMATS.iter().find(|format| format.name == name)
    }

    /// What is wrong with a text; `None`: nothing. A secret, and what may be one, is not repeated.
    pub(super) fn complaint(&self, text: &str) -> Option<String> {
        let complaint = (self.parse)(text).err()?;
        let shown = quoted(text);
        if self.name == "SecretReference" || shown.starts_with('`') {
            Some(printable(&complaint))
        } else {
            Some(format!("{shown} is not {}", self.expected))
        }
    }
}

fn accept<T, E: std::fmt::Display>(parsed: Result<T, E>) -> Result<(), String> {
    parsed.map(drop).map_err(|error| error.to_string())
}

fn refuse_blank(text: &str, complaint: &str) -> Result<(), String> {
    if text.trim().is_empty() {
        Err(complaint.to_owned())
    } else {
        Ok(())
    }
}

fn parse_role_arn(text: &str) -> Result<(), String> {
    let arn = Arn::parse(text).map_err(|error| error.to_string())?;
    let role = arn.resource().strip_prefix("role/");
    if arn.service() == "iam"
        && AccountId::parse(arn.account()).is_ok()
        && role.is_some_and(|role| !role.is_empty())
    {
        Ok(())
    } else {
        Err(format!(
            "{} is not the ARN of an IAM role (expected arn:aws:iam::ACCOUNT:role/NAME)",
            quoted(text)
        ))
    }
}

fn parse_date(text: &str) -> Result<(), String> {
    const LENGTH: usize = "2027-01-31".len();
    match NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        Ok(_) if text.len() == LENGTH => Ok(()),
        Ok(_) | Err(_) => Err(format!(
            "{} is not a date (year, month, day, such as \"2027-01-31\")",
            quoted(text)
        )),
    }
}

/// For the JSON Schema: either the empty text, which stands for none, or a `T`.
pub(super) struct OrEmpty<T>(PhantomData<T>);

impl<T: JsonSchema> JsonSchema for OrEmpty<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("{}OrEmpty", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({"anyOf": [{"type": "string", "const": ""}, generator.subschema_for::<T>()]})
    }
}

/// Types that stand for a format in the JSON Schema, where the setting's own type comes from another crate.
macro_rules! texts {
    ($($name:ident),*) => {$(
        #[doc = concat!("For the JSON Schema: a text of the format `", stringify!($name), "`.")]
        pub(super) struct $name;

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({"type": "string"})
            }
        }
    )*};
}

texts!(
    RoleArn,
    Date,
    TimeZone,
    ListenAddress,
    Network,
    Unit,
    AccountOrUnit
);

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(name: &str, text: &str) -> String {
        Format::named(name)
            .unwrap()
            .complaint(text)
            .unwrap_or_else(|| "none".into())
    }

    #[test]
    fn every_format_says_what_is_wrong_and_what_is_allowed() {
        let wrong = [
            ("Duration", "90"),
            ("Schedule", "0 6 * * *"),
            ("Schedule", "0 0 6 * * 1"),
            ("Window", "nine to five"),
            ("SecretReference", "canary"),
            ("AccountId", "12345"),
            ("RoleArn", "arn:aws:iam::123456789012:user/x"),
            ("RoleArn", "iamwarden"),
            ("Glob", " "),
            ("Owner", ""),
            ("Date", "2027-02-30"),
            ("Date", "2027-1-3"),
            ("TimeZone", "Berlin"),
            ("ListenAddress", "localhost:80"),
            ("Network", "10.0.0.0"),
            ("Region", "eu-central-1a"),
            ("Unit", "Sandbox"),
            ("AccountOrUnit", "Sandbox"),
            ("Network", "https://user:canary@example.com"),
        ];
        let said: Vec<_> = wrong.map(|(name, text)| complaint(name, text)).into();
        assert!(!said.join("").contains("canary"));
        insta::assert_snapshot!(said.join("\n"), @r#"
        `90` is not a duration (a number and a unit: s, m, h, d or w, such as "90d", "12h" or "0s")
        `0 6 * * *` is not a schedule: it has 5 fields (six or seven fields, seconds first, such as "0 0 6 * * *")
        `0 0 6 * * 1` names weekdays by number, which start at Sunday = 1 here and elsewhere do not: use Mon, Tue, …
        `nine to five` is not a window (hours, with days before them if not every day: "09:00-16:00", "Mon-Thu 09:00-16:00", "Mon,Wed 18:00-08:00")
        this is not a reference to a secret (env:NAME, file:PATH, secretsmanager:NAME or secretsmanager:NAME#json-key); secrets themselves do not belong in the configuration
        `12345` is not an AWS account id (expected twelve digits)
        `arn:aws:iam::123456789012:user/x` is not the ARN of an IAM role (expected arn:aws:iam::ACCOUNT:role/NAME)
        `iamwarden` is not an ARN (expected arn:partition:service:region:account:resource)
        a blank pattern matches nothing
        the name of an owner must not be blank
        `2027-02-30` is not a date (year, month, day, such as "2027-01-31")
        `2027-1-3` is not a date (year, month, day, such as "2027-01-31")
        `Berlin` is not a time zone (an IANA name such as "Europe/Berlin")
        `localhost:80` is not an address and a port (such as "127.0.0.1:8787" or "[::1]:8787"; names are not looked up)
        `10.0.0.0` is not a network (an address and the length of its prefix, such as "10.0.0.0/8")
        `eu-central-1a` is not a region (the name that AWS uses, such as eu-central-1)
        `Sandbox`: this is no unit: expected a path such as "/Workloads/Dev", or an id such as "ou-ab12-34567890"
        `Sandbox` is neither an account id (twelve digits) nor a unit (a path such as "/Sandbox", or an id such as "ou-ab12-34567890")
        the value (not shown) is not a network (an address and the length of its prefix, such as "10.0.0.0/8")
        "#);
    }

    #[test]
    fn what_is_right_is_let_through() {
        for (name, text) in [
            ("Duration", "90d"),
            ("Schedule", "0 0 6 * * Mon-Fri"),
            ("Window", "18:00-08:00"),
            ("SecretReference", "env:SIEM_URL"),
            ("AccountId", "012345678901"),
            ("RoleArn", "arn:aws-us-gov:iam::012345678901:role/path/iamwarden"),
            ("Glob", "user/*"),
            ("Owner", "alice@example.com"),
            ("Date", "2027-01-31"),
            ("TimeZone", "Europe/Berlin"),
            ("ListenAddress", "[::1]:0"),
            ("Network", "fd00::/8"),
            ("Region", "us-gov-west-1"),
        ] {
            assert_eq!(complaint(name, text), "none", "{name}");
        }
    }
}
