//! Whose credentials a request is about.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::Context;
use crate::account::{AccessKey, Account, Uploaded};
use crate::caller::Identity;
use crate::wire::error::AwsError;

/// A user, or root.
pub(super) enum Owner {
    User(String),
    Root,
}

impl Owner {
    /// The user of `UserName`, or whoever signed the request: so does AWS, and so one loses one's own key.
    pub(super) fn of(cx: &Context<'_>) -> Result<Self, AwsError> {
        if cx.query.optional("UserName").is_none() && cx.caller.identity == Identity::Root {
            return Ok(Self::Root);
        }
        cx.user_or_caller().map(Self::User)
    }

    pub(super) fn name(&self) -> &str {
        match self {
            Self::User(name) => name,
            Self::Root => "root",
        }
    }

    pub(super) fn keys<'a>(&self, account: &'a mut Account) -> Result<&'a mut Vec<AccessKey>, AwsError> {
        match self {
            Self::User(name) => Ok(&mut account.user_mut(name)?.keys),
            Self::Root => Ok(&mut account.root.keys),
        }
    }

    pub(super) fn certificates<'a>(
        &self,
        account: &'a mut Account,
    ) -> Result<&'a mut Vec<Uploaded>, AwsError> {
        match self {
            Self::User(name) => Ok(&mut account.user_mut(name)?.certificates),
            Self::Root => Ok(&mut account.root.certificates),
        }
    }

    /// MFA devices: serial numbers and when they were enabled.
    pub(super) fn devices<'a>(
        &self,
        account: &'a mut Account,
    ) -> Result<&'a mut BTreeMap<String, DateTime<Utc>>, AwsError> {
        match self {
            Self::User(name) => Ok(&mut account.user_mut(name)?.mfa),
            Self::Root => Ok(&mut account.root.mfa),
        }
    }
}
