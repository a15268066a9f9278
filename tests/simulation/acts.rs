//! What people do in the account by hand, and owners with their keys.

use aws_simulator::{Edit, KeySeed, PasswordPolicy, When};
use rand::Rng as _;
use rand::rngs::StdRng;

use crate::estate::{POLICIES, chance, key_id, one, policy_arn};
use crate::installation::{ACCOUNT, Installation};
use crate::invariants::{Auditor, Target};

/// Something that somebody does.
#[derive(Debug)]
pub(crate) struct Act {
    /// In words.
    pub(crate) what: String,
    edit: Edit,
    touched: Vec<Target>,
}

impl Act {
    /// Does it. Whoever checks what happens has to know.
    pub(crate) async fn happens(self, town: &Installation, auditor: &mut Auditor) {
        for target in self.touched {
            auditor.touched(town, target).await;
        }
        // Somebody else may have deleted it meanwhile; then there is nothing to do.
        let _ = town.simulator.edit(&self.edit);
    }
}

/// Any of it, as the account is now.
pub(crate) fn any_act(rng: &mut StdRng, town: &Installation, next_key: &mut usize) -> Option<Act> {
    let account = town.account();
    let users: Vec<_> = account["users"].as_object().unwrap().keys().cloned().collect();
    if users.is_empty() {
        return None;
    }
    // Most interesting are those of whom something was changed.
    let has_inactive = |name: &&String| {
        let keys = account["users"][name.as_str()]["keys"].as_array();
        keys.and_then(|keys| keys.first())
            .is_some_and(|key| key["status"] == "Inactive")
    };
    let changed: Vec<_> = users.iter().filter(has_inactive).cloned().collect();
    let of = if changed.is_empty() || chance(rng, 50) {
        &users
    } else {
        &changed
    };
    let user = of[rng.random_range(0..of.len())].clone();
    let principal = format!("user/{user}");
    let keys = account["users"][&user]["keys"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let key = keys.first().and_then(|key| key["id"].as_str()).map(str::to_owned);
    let at = |subject: String| Target {
        principal: principal.clone(),
        subject,
    };
    let (what, edit, touched) = match (rng.random_range(0..8), key) {
        (0 | 1, Some(key)) => {
            let status = one(rng, &["Active", "Active", "Inactive", "Suspended"]);
            let edit = Edit {
                status: Some(status.to_owned()),
                ..Edit::of_key(ACCOUNT, &user, &key)
            };
            (format!("{key} {status}"), edit, vec![at(key)])
        }
        (2, Some(key)) => {
            let edit = Edit {
                last_used: Some(When::At(town.now())),
                ..Edit::of_key(ACCOUNT, &user, &key)
            };
            (format!("{key} is used"), edit, Vec::new())
        }
        (3, Some(key)) => {
            let edit = Edit {
                delete: true,
                ..Edit::of_key(ACCOUNT, &user, &key)
            };
            (format!("{key} deleted"), edit, vec![at(key)])
        }
        (4, _) if keys.len() < 2 => {
            let key = key_id(*next_key);
            *next_key += 1;
            let mut edit = Edit::of_user(ACCOUNT, &user);
            edit.keys.push(KeySeed::aged(When::days(0)).id(&key));
            (format!("{user} has a new key {key}"), edit, Vec::new())
        }
        (5, _) => {
            let (name, _) = one(rng, &POLICIES);
            let mut edit = Edit::of_user(ACCOUNT, &user);
            edit.attach.push(policy_arn(name));
            (
                format!("{name} attached to {user}"),
                edit,
                vec![at(policy_arn(name))],
            )
        }
        (6, _) => {
            let edit = Edit {
                password_policy: Some(PasswordPolicy {
                    minimum_password_length: one(rng, &[6, 8, 20]),
                    require_symbols: chance(rng, 50),
                    ..PasswordPolicy::default()
                }),
                ..Edit::of(ACCOUNT)
            };
            let target = Target {
                principal: "root".to_owned(),
                subject: "password-policy".to_owned(),
            };
            (format!("{:?}", edit.password_policy), edit, vec![target])
        }
        (7, _) if users.len() > 2 && chance(rng, 50) => {
            let edit = Edit {
                delete: true,
                ..Edit::of_user(ACCOUNT, &user)
            };
            let keys = keys
                .iter()
                .filter_map(|key| key["id"].as_str())
                .map(str::to_owned);
            let others = POLICIES.iter().map(|(name, _)| policy_arn(name));
            let subjects = keys.chain(others).chain(["console-password".to_owned()]);
            (format!("{user} is deleted"), edit, subjects.map(at).collect())
        }
        _ => return None,
    };
    Some(Act { what, edit, touched })
}
