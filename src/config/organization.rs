//! Which accounts of an organization are looked after, and in which of them rules act: functions of what is declared and what
//! was read.

use serde::{Deserialize, Serialize};

use super::{Account, Config, Excluded, Mode, Rollout};
use crate::model::{AccountId, Arn, ArnError, Member, Membership, Organization, Partition, UnitName};

/// Where iamwarden itself is at home.
#[derive(Debug, Clone, Copy)]
pub struct Home<'a> {
    /// The account of the ambient credentials.
    pub account: &'a AccountId,
    /// Its partition.
    pub partition: &'a Partition,
}

/// An account of the organization that is left alone, and why.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LeftOut {
    /// Which.
    pub id: AccountId,
    /// What it is called.
    pub name: String,
    /// Why, such as `suspended`.
    pub why: String,
}

/// Why it cannot be said which accounts are looked after.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RosterError {
    /// A unit to leave out is not there: its accounts would be looked after.
    #[error(
        "organization.exclude names {}, and the organization has no such unit: correct the name; nothing is planned before that",
        .0.join(", ")
    )]
    UnknownUnits(Vec<String>),
    /// An account lies in no unit that was read.
    #[error(
        "account {0} is in no unit that was read, so nobody knows whether organization.exclude means it: it was moved meanwhile, and the next run reads again"
    )]
    Unplaced(AccountId),
    /// A role of that name cannot be.
    #[error("the role to assume in account {account} cannot be named: {source}")]
    Role {
        /// In which account.
        account: AccountId,
        /// Why.
        source: ArnError,
    },
}

impl Config {
    /// The accounts to look after, those of the organization included, in the order of their ids; and those that are left
    /// out. What is declared of an account holds.
    ///
    /// # Errors
    /// [`RosterError`], where it is not certain who is left out.
    pub fn roster(
        &self,
        organization: &Organization,
        home: Home<'_>,
    ) -> Result<(Vec<Account>, Vec<LeftOut>), RosterError> {
        self.check_units(organization)?;
        let mut left_out = Vec::new();
        let mut accounts = Vec::with_capacity(organization.members.len());
        for member in &organization.members {
            let declared = self.accounts.iter().find(|account| account.id == member.id);
            let why = match (&member.inactive, declared) {
                (Some(inactive), _) => Some(inactive.clone()),
                (None, Some(_)) => None,
                (None, None) => self.excluded(member)?,
            };
            match why {
                Some(why) => left_out.push(LeftOut {
                    id: member.id.clone(),
                    name: member.name.clone(),
                    why,
                }),
                None => accounts.push(self.account_of(member, declared, home)?),
            }
        }
        let is_member =
            |account: &&Account| organization.members.iter().any(|member| member.id == account.id);
        accounts.extend(
            self.accounts
                .iter()
                .filter(|account| !is_member(account))
                .cloned(),
        );
        accounts.sort_by(|a, b| a.id.cmp(&b.id));
        Ok((accounts, left_out))
    }

    /// The account by its role, without asking whether it is in the organization: to undo what was done there, or to find out
    /// what became of it.
    ///
    /// # Errors
    /// [`RosterError::Role`].
    pub fn account_by_role(&self, id: &AccountId, home: Home<'_>) -> Result<Account, RosterError> {
        let organization = &self.organization;
        let role = |name: &str| {
            let arn = format!("arn:{}:iam::{id}:role/{name}", home.partition);
            Arn::parse(&arn).map_err(|source| RosterError::Role {
                account: id.clone(),
                source,
            })
        };
        let is_home = home.account == id;
        Ok(Account {
            id: id.clone(),
            name: None,
            owner: None,
            role_arn: (!is_home).then(|| role(&organization.role_name)).transpose()?,
            external_id: organization.external_id.clone().filter(|_| !is_home),
            rollback_role_arn: organization.rollback_role_name.as_deref().map(role).transpose()?,
            membership: Membership::default(),
        })
    }

    /// Whether the account of the ambient credentials is the only one.
    pub fn is_of_one_account(&self) -> bool {
        self.accounts.is_empty() && !self.organization.discover
    }

    /// Whether anything depends on the units of accounts.
    pub fn needs_units(&self) -> bool {
        let excludes = self.organization.exclude.iter();
        let in_rollout = self.rollout.iter().any(|rollout| !rollout.units.is_empty());
        in_rollout
            || excludes
                .clone()
                .any(|excluded| matches!(excluded, Excluded::Unit(_)))
    }

    /// Whether rules have their modes in this account; `None`: nothing was declared of it, so they do.
    pub fn is_rolled_out(&self, id: &AccountId) -> Option<bool> {
        let rollout = self.rollout.as_ref()?;
        let account = self.accounts.iter().find(|account| account.id == *id);
        let unit = account.and_then(|account| account.membership.unit.as_ref());
        let Rollout { accounts, units } = rollout;
        let by_unit = unit.is_some_and(|unit| units.iter().any(|name| name.covers(unit)));
        Some(accounts.contains(id) || by_unit)
    }

    /// What a rule of this mode may do in this account.
    pub fn mode_in(&self, id: &AccountId, mode: Mode) -> Mode {
        match self.is_rolled_out(id) {
            Some(false) => mode.min(Mode::Report),
            Some(true) | None => mode,
        }
    }

    /// A name that means nothing may be a wrong one: then its accounts would not be left out.
    fn check_units(&self, organization: &Organization) -> Result<(), RosterError> {
        let known = organization.units.as_deref().unwrap_or_default();
        let is_unknown = |unit: &&UnitName| !known.iter().any(|known| unit.covers(known));
        let named = self
            .organization
            .exclude
            .iter()
            .filter_map(|excluded| match excluded {
                Excluded::Account(_) => None,
                Excluded::Unit(unit) => Some(unit),
            });
        let unknown: Vec<_> = named.filter(is_unknown).map(ToString::to_string).collect();
        match unknown.is_empty() {
            true => Ok(()),
            false => Err(RosterError::UnknownUnits(unknown)),
        }
    }

    fn excluded(&self, member: &Member) -> Result<Option<String>, RosterError> {
        for excluded in &self.organization.exclude {
            let why = match excluded {
                Excluded::Account(id) => (*id == member.id).then(|| "excluded".to_owned()),
                Excluded::Unit(unit) => {
                    let of = member.membership.unit.as_ref();
                    let of = of.ok_or_else(|| RosterError::Unplaced(member.id.clone()))?;
                    unit.covers(of).then(|| format!("excluded by its unit {of}"))
                }
            };
            if why.is_some() {
                return Ok(why);
            }
        }
        Ok(None)
    }

    fn account_of(
        &self,
        member: &Member,
        declared: Option<&Account>,
        home: Home<'_>,
    ) -> Result<Account, RosterError> {
        let mut account = match declared {
            Some(declared) => declared.clone(),
            None => self.account_by_role(&member.id, home)?,
        };
        account.name = account.name.or_else(|| Some(member.name.clone()));
        account.membership = member.membership.clone();
        Ok(account)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::configured;
    use crate::model::UnitPath;

    const OWN: &str = "123456789012";

    fn id(text: &str) -> AccountId {
        AccountId::parse(text).unwrap()
    }

    fn root() -> UnitPath {
        UnitPath::root("r-ab12")
    }

    fn sandbox() -> UnitPath {
        root().unit("ou-ab12-aaaaaaaa", "Sandbox")
    }

    fn member(id: &str, unit: Option<UnitPath>) -> Member {
        Member {
            id: AccountId::parse(id).unwrap(),
            name: format!("name of {id}"),
            inactive: None,
            membership: Membership {
                unit,
                is_management: false,
            },
        }
    }

    /// The account that iamwarden runs in, one at the root, one in `/Sandbox`, and one that is closed.
    fn organization() -> Organization {
        let mut closed = member("410987654321", Some(root()));
        closed.inactive = Some("suspended".to_owned());
        Organization {
            members: vec![
                member(OWN, Some(root())),
                member("210987654321", Some(root())),
                member("310987654321", Some(sandbox())),
                closed,
            ],
            units: Some(vec![root(), sandbox()]),
        }
    }

    fn roster(text: &str, organization: &Organization) -> Result<(Vec<Account>, Vec<LeftOut>), RosterError> {
        let config = configured(&format!("organization.discover = true\n{text}"));
        let (own, partition) = (id(OWN), Partition::new("aws-us-gov"));
        let home = Home {
            account: &own,
            partition: &partition,
        };
        config.roster(organization, home)
    }

    fn named(accounts: &[Account]) -> Vec<String> {
        let line = |account: &Account| {
            let role = account.role_arn.as_ref().map_or("-", |role| role.as_str());
            format!("{} {role}", account.id)
        };
        accounts.iter().map(line).collect()
    }

    #[test]
    fn every_active_account_is_reached_by_the_role_and_ones_own_without() {
        let (accounts, left_out) = roster("organization.external_id = \"env:X\"", &organization()).unwrap();
        assert_eq!(
            named(&accounts),
            [
                "123456789012 -",
                "210987654321 arn:aws-us-gov:iam::210987654321:role/iamwarden",
                "310987654321 arn:aws-us-gov:iam::310987654321:role/iamwarden",
            ]
        );
        let external: Vec<_> = accounts.iter().map(|a| a.external_id.is_some()).collect();
        assert_eq!(external, [false, true, true]);
        assert_eq!(accounts[1].name.as_deref(), Some("name of 210987654321"));
        assert_eq!(accounts[1].rollback_role_arn, None);
        let why: Vec<_> = left_out
            .iter()
            .map(|out| (out.id.as_str(), out.why.as_str()))
            .collect();
        assert_eq!(why, [("410987654321", "suspended")]);
    }

    #[test]
    fn what_is_declared_of_an_account_holds() {
        let (accounts, left_out) = roster(
            r#"
            organization.exclude = ["/Sandbox"]
            [[accounts]]
            id = "310987654321"
            name = "play"
            owner = "bob"
            role_arn = "arn:aws:iam::310987654321:role/other"
            [[accounts]]
            id = "510987654321"
            role_arn = "arn:aws:iam::510987654321:role/elsewhere"
            [[accounts]]
            id = "410987654321"
            role_arn = "arn:aws:iam::410987654321:role/closed"
            "#,
            &organization(),
        )
        .unwrap();
        assert_eq!(
            named(&accounts)[2..],
            [
                "310987654321 arn:aws:iam::310987654321:role/other",
                "510987654321 arn:aws:iam::510987654321:role/elsewhere",
            ]
        );
        let play = &accounts[2];
        assert_eq!(
            (play.name.as_deref(), play.owner.as_ref().unwrap().0.as_str()),
            (Some("play"), "bob")
        );
        assert_eq!(play.membership.unit, Some(sandbox()));
        assert_eq!(left_out.len(), 1);
    }

    #[test]
    fn accounts_and_units_are_left_out_and_names_that_mean_nothing_stop_everything() {
        let left_out = |exclude: &str| {
            roster(&format!("organization.exclude = [{exclude}]"), &organization()).map(|(_, out)| {
                out.into_iter()
                    .map(|out| format!("{}: {}", out.id, out.why))
                    .collect::<Vec<_>>()
            })
        };
        assert_eq!(
            left_out("\"/Sandbox/*\", \"210987654321\"").unwrap(),
            [
                "210987654321: excluded",
                "310987654321: excluded by its unit /Sandbox",
                "410987654321: suspended"
            ]
        );
        assert_eq!(left_out("\"ou-ab12-aaaaaaaa\"").unwrap().len(), 2);
        assert_eq!(left_out("\"/\"").unwrap().len(), 4);
        // A closed account is gone from the list some day, and harms nobody until then.
        assert_eq!(left_out("\"910987654321\"").unwrap().len(), 1);
        assert_eq!(
            left_out("\"/Sandbox\", \"/sandbox\""),
            Err(RosterError::UnknownUnits(vec!["/sandbox".to_owned()]))
        );
        let mut moved = organization();
        moved.members[1].membership.unit = None;
        assert_eq!(
            roster("organization.exclude = [\"/Sandbox\"]", &moved).unwrap_err(),
            RosterError::Unplaced(id("210987654321"))
        );
        assert!(roster("", &moved).is_ok());
    }

    #[test]
    fn modes_hold_where_the_rollout_means_the_account_and_nowhere_else() {
        let rolled_out = |text: &str| -> Vec<Option<bool>> {
            let mut config = configured(&format!("organization.discover = true\n{text}"));
            let (own, partition) = (id(OWN), Partition::new("aws"));
            let home = Home {
                account: &own,
                partition: &partition,
            };
            let mut organization = organization();
            organization.members[0].membership.unit = None;
            config.accounts = config.roster(&organization, home).unwrap().0;
            let ids = [OWN, "210987654321", "310987654321", "910987654321"];
            ids.iter().map(|text| config.is_rolled_out(&id(text))).collect()
        };
        assert_eq!(rolled_out(""), [None; 4]);
        assert_eq!(rolled_out("[rollout]"), [Some(false); 4]);
        assert_eq!(
            rolled_out("rollout = {accounts = [], units = []}"),
            [Some(false); 4]
        );
        let only = |n: usize| (0..4).map(|m| Some(m == n)).collect::<Vec<_>>();
        assert_eq!(rolled_out("rollout.accounts = [\"123456789012\"]"), only(0));
        assert_eq!(rolled_out("rollout.units = [\"/Sandbox\"]"), only(2));
        // One whose unit is not known is not meant, even by the root.
        assert_eq!(
            rolled_out("rollout.units = [\"/\"]"),
            [Some(false), Some(true), Some(true), Some(false)]
        );
        let config = configured("rollout.accounts = []");
        for mode in [Mode::Off, Mode::Report, Mode::Approve, Mode::Enforce] {
            assert_eq!(config.mode_in(&id(OWN), mode), mode.min(Mode::Report));
        }
    }
}
