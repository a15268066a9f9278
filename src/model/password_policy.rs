//! The account password policy, as IAM keeps it.

use serde::{Deserialize, Serialize};

/// All fields of `GetAccountPasswordPolicy`. `UpdateAccountPasswordPolicy` replaces the whole, so a value of
/// this type is always complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PasswordPolicy {
    /// Shortest password, 6 to 128 characters.
    pub minimum_length: u32,
    /// At least one of A to Z.
    pub require_uppercase: bool,
    /// At least one of a to z.
    pub require_lowercase: bool,
    /// At least one digit.
    pub require_numbers: bool,
    /// At least one symbol.
    pub require_symbols: bool,
    /// Users may change their own password.
    pub allow_users_to_change: bool,
    /// Days until a password expires, 1 to 1095. `None`: never. Cannot be sent as 0: it is left out.
    pub max_age_days: Option<u32>,
    /// How many earlier passwords may not come back, 1 to 24. `None`: all may. Cannot be sent as 0.
    pub reuse_prevention: Option<u32>,
    /// Whoever lets the password expire needs an administrator: can lock people out for good.
    pub hard_expiry: bool,
}

impl PasswordPolicy {
    /// What holds where an account has no policy of its own, save that it also asks for three of the four
    /// character classes, which a policy of one's own cannot say (user guide, "Default password policy").
    pub fn aws_default() -> Self {
        Self {
            minimum_length: 8,
            require_uppercase: false,
            require_lowercase: false,
            require_numbers: false,
            require_symbols: false,
            allow_users_to_change: false,
            max_age_days: None,
            reuse_prevention: None,
            hard_expiry: false,
        }
    }

    /// What `UpdateAccountPasswordPolicy` sets for every parameter that is left out.
    pub fn api_default() -> Self {
        Self {
            minimum_length: 6,
            ..Self::aws_default()
        }
    }

    /// Each field with its name and printed value, in the order people read them.
    pub fn fields(&self) -> [(&'static str, String); 9] {
        let Self {
            minimum_length,
            require_uppercase,
            require_lowercase,
            require_numbers,
            require_symbols,
            allow_users_to_change,
            max_age_days,
            reuse_prevention,
            hard_expiry,
        } = self;
        let number = |n: &Option<u32>, unit: &str| n.map_or("none".to_owned(), |n| format!("{n}{unit}"));
        [
            ("minimum_length", minimum_length.to_string()),
            ("require_uppercase", require_uppercase.to_string()),
            ("require_lowercase", require_lowercase.to_string()),
            ("require_numbers", require_numbers.to_string()),
            ("require_symbols", require_symbols.to_string()),
            ("allow_users_to_change", allow_users_to_change.to_string()),
            ("max_age", number(max_age_days, "d")),
            ("reuse_prevention", number(reuse_prevention, "")),
            ("hard_expiry", hard_expiry.to_string()),
        ]
    }
}
