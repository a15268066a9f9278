//! Whom the conditions of a trust policy leave.

use std::collections::BTreeSet;

use crate::model::{AccountId, Arn, Clause};
use crate::rules::trust::Denial;

/// Conditions that hold most people off, and yet do not say whose the principal is.
const NAMING: [&str; 5] = [
    "aws:userid",
    "aws:SourceVpc",
    "aws:SourceVpce",
    "aws:VpcSourceIp",
    "aws:SourceIp",
];

/// Who can meet the conditions, as far as they say where somebody comes from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Reach {
    /// Only one organization, this account or trusted ones.
    pub(super) ours: bool,
    /// Only these other accounts; empty: any.
    pub(super) accounts: BTreeSet<AccountId>,
    /// Only whoever knows the external id.
    pub(super) external_id: bool,
    /// Only who meets conditions on these keys.
    pub(super) keys: BTreeSet<&'static str>,
}

impl Reach {
    /// Of an Allow statement's conditions, and of Deny statements that bar all who do not meet one condition.
    pub(super) fn of(clauses: &[Clause], denials: &[&Denial], trusted: &BTreeSet<AccountId>) -> Self {
        let demanded = clauses
            .iter()
            .filter_map(|clause| Some((clause.key.as_str(), demanded(clause)?)));
        let left = denials
            .iter()
            .filter_map(|denial| match denial.clauses.as_slice() {
                [one] => Some((one.key.as_str(), one.left_out()?)),
                // All clauses of a Deny must hold for it to bar anybody: two of them leave more than either.
                _ => None,
            });
        let mut reach = Self::default();
        for (key, values) in demanded.chain(left) {
            reach.narrow(key, values, trusted);
        }
        reach
    }

    fn narrow(&mut self, key: &str, values: &[String], trusted: &BTreeSet<AccountId>) {
        let open = |value: &String| is_all_wildcard(value) || value == "0.0.0.0/0" || value == "::/0";
        if values.is_empty() || values.iter().any(open) {
            return;
        }
        let accounts = match key {
            "aws:principalorgid" => {
                self.ours |= values.iter().all(|value| is_literal(value));
                return;
            }
            "aws:principalorgpaths" => {
                let of_one = |value: &String| is_literal(value.split('/').next().unwrap_or_default());
                self.ours |= values.iter().all(of_one);
                return;
            }
            "aws:principalaccount" => values.iter().map(|value| AccountId::parse(value).ok()).collect(),
            "aws:principalarn" => {
                let account = |value: &String| AccountId::parse(Arn::parse(value).ok()?.account()).ok();
                values.iter().map(account).collect::<Option<BTreeSet<_>>>()
            }
            "sts:externalid" => {
                self.external_id = true;
                return;
            }
            _ => {
                self.keys
                    .extend(NAMING.iter().find(|name| name.eq_ignore_ascii_case(key)));
                return;
            }
        };
        // A pattern for any account's principals names nobody's.
        let Some(accounts) = accounts else { return };
        let others: BTreeSet<_> = accounts.difference(trusted).cloned().collect();
        self.ours |= others.is_empty();
        self.accounts = others;
    }
}

/// The values of which the request must have one, addresses included.
fn demanded(clause: &Clause) -> Option<&[String]> {
    let address = clause.operator == "ipaddress" && clause.qualifier.is_none() && !clause.if_exists;
    clause
        .demanded()
        .or_else(|| address.then_some(clause.values.as_slice()))
}

/// Whether the text is wildcard alone, and so stands for everything.
pub(super) fn is_all_wildcard(text: &str) -> bool {
    text.chars().all(|c| c == '*' || c == '?')
}

fn is_literal(text: &str) -> bool {
    !text.is_empty() && !text.contains(['*', '?'])
}
