//! Organizations, read: its accounts, and the units in which they lie. One endpoint serves a whole partition.

use std::collections::BTreeMap;

use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::super::errors::{AwsError, ErrorKind, Scope};
use super::super::operation;
use super::super::pages::Pages;
use super::super::reader::{Reader, usable};
use super::wire::{Question, Service};
use crate::model::{AccountId, Arn, Member, Membership, Organization, Region, UnitPath};

const ORGANIZATIONS: Service = Service {
    prefix: "organizations",
    id: "Organizations",
    host: "organizations",
};

/// Most items of a page: more are refused.
const PAGE: u32 = 20;
/// How many units are read at once: Organizations throttles soon.
const UNITS_AT_ONCE: usize = 2;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListedAccount {
    id: String,
    arn: String,
    #[serde(default)]
    name: String,
    /// What `Status` gives way to.
    state: Option<String>,
    status: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListedUnit {
    id: String,
    #[serde(default)]
    name: String,
}

/// A unit whose content was read.
struct Content {
    unit: UnitPath,
    accounts: Vec<AccountId>,
    beneath: Vec<UnitPath>,
}

impl Reader {
    /// The organization that the account is in: its accounts, and where `units` are asked for, in which unit each lies.
    /// `ListAccounts`; for the units `ListRoots`, `ListOrganizationalUnitsForParent` and `ListAccountsForParent`; all pages.
    ///
    /// # Errors
    /// [`AwsError`], where any page fails: half a list is none.
    pub async fn organization(&self, units: bool) -> Result<Organization, AwsError> {
        let scope = self.scope(operation::LIST_ACCOUNTS, None);
        let listed: Vec<ListedAccount> = self.list_all(scope, "Accounts", None).await?;
        let members: Result<Vec<_>, _> = listed
            .into_iter()
            .map(|listed| member_of(listed).map_err(|why| AwsError::unusable(scope, why)))
            .collect();
        let mut members = members?;
        members.sort_by(|a, b| a.id.cmp(&b.id));
        let twice = members.windows(2).any(|pair| match pair {
            [one, other] => one.id == other.id,
            _ => false,
        });
        if twice || members.is_empty() {
            return Err(AwsError::unusable(
                scope,
                "it names an account twice, or none at all",
            ));
        }
        if !units {
            return Ok(Organization { members, units: None });
        }
        let (units, places) = self.units().await?;
        for member in &mut members {
            member.membership.unit = places.get(&member.id).cloned();
        }
        Ok(Organization {
            members,
            units: Some(units),
        })
    }

    /// All units, the root first, and in which of them each account lies. An account that is moved meanwhile may be found
    /// in two, or in none: then it is in none.
    async fn units(&self) -> Result<(Vec<UnitPath>, BTreeMap<AccountId, UnitPath>), AwsError> {
        let scope = self.scope(operation::LIST_ROOTS, None);
        let roots: Vec<ListedUnit> = self.list_all(scope, "Roots", None).await?;
        let mut level: Vec<_> = roots.into_iter().map(|root| UnitPath::root(root.id)).collect();
        let mut units: Vec<UnitPath> = Vec::new();
        let mut places: BTreeMap<AccountId, Option<UnitPath>> = BTreeMap::new();
        while !level.is_empty() {
            let content: Vec<Content> = stream::iter(level)
                .map(|unit| self.content(unit))
                .buffered(UNITS_AT_ONCE)
                .try_collect()
                .await?;
            level = Vec::new();
            for Content {
                unit,
                accounts,
                beneath,
            } in content
            {
                for id in accounts {
                    places
                        .entry(id)
                        .and_modify(|place| *place = None)
                        .or_insert_with(|| Some(unit.clone()));
                }
                level.extend(beneath);
                units.push(unit);
            }
            let seen = |unit: &UnitPath| units.iter().any(|known| known.id() == unit.id());
            if level.iter().any(seen) {
                return Err(AwsError::unusable(
                    scope,
                    "a unit lies in itself, or in two others",
                ));
            }
        }
        let known = places.into_iter().filter_map(|(id, place)| Some((id, place?)));
        Ok((units, known.collect()))
    }

    async fn content(&self, unit: UnitPath) -> Result<Content, AwsError> {
        let accounts = self.scope(operation::LIST_ACCOUNTS_FOR_PARENT, None);
        let listed: Vec<ListedAccount> = self.list_all(accounts, "Accounts", Some(unit.id())).await?;
        let ids: Result<Vec<_>, _> = listed.iter().map(|listed| AccountId::parse(&listed.id)).collect();
        let ids = ids.map_err(|odd| AwsError::unusable(accounts, odd.to_string()))?;
        let units = self.scope(operation::LIST_ORGANIZATIONAL_UNITS_FOR_PARENT, None);
        let listed: Vec<ListedUnit> = self
            .list_all(units, "OrganizationalUnits", Some(unit.id()))
            .await?;
        let beneath = listed
            .into_iter()
            .map(|beneath| unit.unit(beneath.id, beneath.name))
            .collect();
        Ok(Content {
            unit,
            accounts: ids,
            beneath,
        })
    }

    /// The items of all pages, which stand under `name`.
    async fn list_all<T: DeserializeOwned>(
        &self,
        scope: Scope<'_>,
        name: &str,
        parent: Option<&str>,
    ) -> Result<Vec<T>, AwsError> {
        let region = self.organizations_region(scope)?;
        let mut all = Vec::new();
        let mut pages = Pages::default();
        loop {
            let mut body = json!({"MaxResults": PAGE});
            for (key, value) in [("ParentId", parent), ("NextToken", pages.marker().as_deref())] {
                if let Some(value) = value {
                    body[key] = json!(value);
                }
            }
            let question = Question::Json {
                target: "AWSOrganizationsV20161128",
                body,
            };
            let page = self
                .regional
                .ask_by_hand(&ORGANIZATIONS, &region, scope.operation, question, None);
            let mut page: Value = self.ask(scope, page).await?;
            let odd = |odd: serde_json::Error| AwsError::unusable(scope, odd.to_string());
            let items = page.get_mut(name).map(Value::take);
            let items: Option<Vec<T>> = items.map(serde_json::from_value).transpose().map_err(odd)?;
            all.extend(items.ok_or_else(|| AwsError::unusable(scope, format!("there is no `{name}`")))?);
            let next = page.get("NextToken").and_then(Value::as_str).map(str::to_owned);
            // Pages may be empty, and are not the last for that.
            if !usable(scope, pages.turn(next.is_some(), next))? {
                return Ok(all);
            }
        }
    }

    /// Where Organizations is in this partition.
    fn organizations_region(&self, scope: Scope<'_>) -> Result<Region, AwsError> {
        let name = match self.shared.partition.as_str() {
            "aws" => "us-east-1",
            "aws-cn" => "cn-northwest-1",
            "aws-us-gov" => "us-gov-west-1",
            other => {
                let why = format!("where Organizations is in the partition {other} is not known");
                return Err(AwsError::plain(scope, ErrorKind::Other, why));
            }
        };
        Region::parse(name).map_err(|odd| AwsError::plain(scope, ErrorKind::Other, odd.to_string()))
    }
}

/// An account of the organization. `State` says whether it is active, `Status` where that is not there yet; whatever is not
/// known to be active is not.
fn member_of(listed: ListedAccount) -> Result<Member, String> {
    let ListedAccount {
        id,
        arn,
        name,
        state,
        status,
    } = listed;
    let id = AccountId::parse(&id).map_err(|odd| odd.to_string())?;
    // arn:aws:organizations::MANAGEMENT:account/o-ORGANIZATION/ID
    let arn = Arn::parse(&arn).map_err(|odd| odd.to_string())?;
    let inactive = match (state.as_deref(), status.as_deref()) {
        (Some("ACTIVE"), Some("ACTIVE") | None) | (None, Some("ACTIVE")) => None,
        (Some("ACTIVE"), Some(other)) | (Some(other), _) | (None, Some(other)) => {
            Some(other.to_lowercase().replace('_', " "))
        }
        (None, None) => Some(String::new()),
    };
    let said = |inactive: String| match inactive.is_empty() {
        true => "of unknown state".to_owned(),
        false => inactive,
    };
    Ok(Member {
        membership: Membership {
            unit: None,
            is_management: arn.account() == id.as_str(),
        },
        id,
        name,
        inactive: inactive.map(said),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(fields: Value) -> Result<Member, String> {
        let mut account = json!({
            "Id": "210987654321",
            "Arn": "arn:aws:organizations::123456789012:account/o-a1b2c3d4e5/210987654321",
            "Name": "prod",
        });
        for (name, value) in fields.as_object().unwrap() {
            account[name] = value.clone();
        }
        member_of(serde_json::from_value(account).unwrap())
    }

    #[test]
    fn only_what_is_known_to_be_active_is() {
        for (fields, inactive) in [
            (json!({"State": "ACTIVE"}), None),
            (json!({"Status": "ACTIVE"}), None),
            (json!({"State": "ACTIVE", "Status": "ACTIVE"}), None),
            (
                json!({"State": "ACTIVE", "Status": "SUSPENDED"}),
                Some("suspended"),
            ),
            (
                json!({"State": "SUSPENDED", "Status": "ACTIVE"}),
                Some("suspended"),
            ),
            (json!({"State": "PENDING_CLOSURE"}), Some("pending closure")),
            (json!({"State": "PENDING_ACTIVATION"}), Some("pending activation")),
            (json!({"State": "CLOSED", "Status": "SUSPENDED"}), Some("closed")),
            (json!({"Status": "PENDING_CLOSURE"}), Some("pending closure")),
            (json!({"State": "RESTING"}), Some("resting")),
            (json!({"State": ""}), Some("of unknown state")),
            (json!({}), Some("of unknown state")),
        ] {
            let found = member(fields.clone()).unwrap().inactive;
            assert_eq!(found.as_deref(), inactive, "{fields}");
        }
    }

    #[test]
    fn the_management_account_is_the_one_that_its_arn_is_of() {
        assert!(!member(json!({})).unwrap().membership.is_management);
        assert!(
            member(json!({"Id": "123456789012"}))
                .unwrap()
                .membership
                .is_management
        );
        for odd in [json!({"Id": "12345"}), json!({"Arn": "x"})] {
            assert!(member(odd.clone()).is_err(), "{odd}");
        }
    }
}
