//! Organizations: its accounts, and the units in which they lie.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::caller::Caller;
use crate::seed::{MemberSeed, OrganizationSeed, Paging, SeedError, StateFields};
use crate::wire::error::AwsError;
use crate::wire::input::Input;
use crate::wire::page::cut;

/// All operations of the service. The world carries them out: they are about all accounts.
pub(crate) const OPERATIONS: [&str; 4] = [
    "ListAccounts",
    "ListAccountsForParent",
    "ListOrganizationalUnitsForParent",
    "ListRoots",
];

const LARGEST_PAGE: u32 = 20;
const ID: &str = "o-simulated1";
const ROOT: &str = "r-sim1";

/// An organization.
#[derive(Debug, Clone)]
pub(crate) struct Organization {
    partition: String,
    management: String,
    delegated: Vec<String>,
    fields: StateFields,
    made: DateTime<Utc>,
    members: BTreeMap<String, MemberSeed>,
    /// Ids of units by their paths, the root's among them.
    units: BTreeMap<String, String>,
}

impl Organization {
    /// The organization of a seed, with these accounts and those that only it knows of.
    pub(crate) fn planted<'a>(
        seed: &OrganizationSeed,
        accounts: impl Iterator<Item = &'a str>,
        partition: &str,
        now: DateTime<Utc>,
    ) -> Result<Self, SeedError> {
        let mut organization = Self {
            partition: partition.to_owned(),
            management: seed.management.clone(),
            delegated: seed.delegated.clone(),
            fields: seed.fields,
            made: now,
            members: accounts.map(|id| (id.to_owned(), MemberSeed::new(id))).collect(),
            units: BTreeMap::from([("/".to_owned(), ROOT.to_owned())]),
        };
        for path in &seed.units {
            organization.unit(path)?;
        }
        for member in &seed.members {
            organization.put(member.clone())?;
        }
        Ok(organization)
    }

    /// An account comes, or is otherwise from now on.
    pub(crate) fn put(&mut self, mut member: MemberSeed) -> Result<(), SeedError> {
        self.unit(&member.unit)?;
        if member.name.is_empty() {
            member.name = MemberSeed::new(member.id.as_str()).name;
        }
        self.members.insert(member.id.clone(), member);
        Ok(())
    }

    /// An account leaves.
    pub(crate) fn remove(&mut self, id: &str) -> bool {
        self.members.remove(id).is_some()
    }

    /// Makes the unit of this path, and those that it lies in.
    fn unit(&mut self, path: &str) -> Result<(), SeedError> {
        let beneath = path.strip_prefix('/').filter(|path| !path.ends_with('/'));
        let beneath = beneath.ok_or_else(|| SeedError::Content {
            account: self.management.clone(),
            problem: format!("`{path}` is no path of a unit"),
        })?;
        let mut known = String::new();
        for name in beneath.split('/').filter(|name| !name.is_empty()) {
            known = format!("{known}/{name}");
            let number = self.units.len();
            self.units
                .entry(known.clone())
                .or_insert_with(|| format!("ou-sim1-{number:08}"));
        }
        Ok(())
    }

    fn arn(&self, kind: &str, id: &str) -> String {
        let (partition, management) = (&self.partition, &self.management);
        format!("arn:{partition}:organizations::{management}:{kind}/{ID}/{id}")
    }

    fn account(&self, member: &MemberSeed) -> Value {
        let MemberSeed { id, name, state, .. } = member;
        let mut shown = json!({
            "Id": id,
            "Arn": self.arn("account", id),
            "Email": format!("{}@example.com", name.replace(' ', "-")),
            "Name": name,
            "JoinedMethod": if *id == self.management { "INVITED" } else { "CREATED" },
            "JoinedTimestamp": self.made.timestamp(),
        });
        let fields = match self.fields {
            StateFields::Both => &["State", "Status"][..],
            StateFields::State => &["State"],
            StateFields::Status => &["Status"],
        };
        for field in fields {
            shown[*field] = json!(state);
        }
        shown
    }

    fn accounts_in(&self, path: &str) -> Vec<(String, Value)> {
        let members = self.members.values().filter(|member| member.unit == path);
        members
            .map(|member| (member.id.clone(), self.account(member)))
            .collect()
    }

    fn units_in(&self, path: &str) -> Vec<(String, Value)> {
        let beneath = format!("{}/", path.trim_end_matches('/'));
        let right_beneath = |(known, _): &(&String, &String)| {
            known
                .strip_prefix(&beneath)
                .is_some_and(|name| !name.is_empty() && !name.contains('/'))
        };
        let units = self.units.iter().filter(right_beneath);
        let mut units: Vec<_> = units
            .map(|(known, id)| {
                let name = known.rsplit('/').next().unwrap_or_default();
                let shown = json!({"Id": id, "Arn": self.arn("ou", id), "Name": name});
                (id.clone(), shown)
            })
            .collect();
        units.sort_by(|a, b| a.0.cmp(&b.0));
        units
    }

    /// The path of the unit that `ParentId` names.
    fn parent(&self, input: Input<'_>) -> Result<&str, AwsError> {
        let id = input.required("ParentId")?;
        if !id.starts_with("r-") && !id.starts_with("ou-") {
            return Err(input.refuse("You provided a value that does not match the required pattern."));
        }
        let known = self.units.iter().find(|(_, known)| *known == id);
        known.map(|(path, _)| path.as_str()).ok_or_else(|| {
            let message = "You specified parent that doesn't exist.";
            AwsError::new("ParentNotFoundException", 400, message)
        })
    }
}

/// Answers a call, if the caller's account may make it.
pub(crate) fn carry_out(
    organization: Option<&Organization>,
    operation: &str,
    caller: &Caller,
    input: Input<'_>,
    paging: &Paging,
) -> Result<Option<Value>, AwsError> {
    let not_in_use = || {
        let message = "Your account is not a member of an organization.";
        AwsError::new("AWSOrganizationsNotInUseException", 400, message)
    };
    let organization = organization.ok_or_else(not_in_use)?;
    if !organization.members.contains_key(&caller.account) {
        return Err(not_in_use());
    }
    if caller.account != organization.management && !organization.delegated.contains(&caller.account) {
        let message = "You don't have permissions to access this resource.";
        return Err(AwsError::new("AccessDeniedException", 400, message));
    }
    let (name, items) = match operation {
        "ListAccounts" => {
            let members = organization.members.values();
            let all = members.map(|member| (member.id.clone(), organization.account(member)));
            ("Accounts", all.collect())
        }
        "ListAccountsForParent" => ("Accounts", organization.accounts_in(organization.parent(input)?)),
        "ListOrganizationalUnitsForParent" => (
            "OrganizationalUnits",
            organization.units_in(organization.parent(input)?),
        ),
        "ListRoots" => {
            let arn = organization.arn("root", ROOT);
            let root = json!({"Id": ROOT, "Arn": arn, "Name": "Root", "PolicyTypes": []});
            ("Roots", vec![(ROOT.to_owned(), root)])
        }
        _ => return Ok(None),
    };
    let asked = input
        .integer("MaxResults", 1, LARGEST_PAGE)?
        .unwrap_or(LARGEST_PAGE);
    let page = cut(items, input.text("NextToken")?, asked, paging);
    let page = page.ok_or_else(|| input.refuse("You provided a next token that is not valid."))?;
    let mut answer = json!({name: page.items});
    if let Some(next) = page.next {
        answer["NextToken"] = json!(next);
    }
    Ok(Some(answer))
}
