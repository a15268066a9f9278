//! `[server.auth]`: who may look at the pages and the API, and who may decide there.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::format::OrEmpty;
use crate::config::{SecretReference, optional_text};
use crate::model::Span;

/// `[server.auth]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    /// Whoever reaches the address may do everything. On a loopback address only.
    pub off: bool,
    /// How long a sign-in lasts.
    pub session_length: Span,
    /// Bearer tokens, for programs and for signing in without a provider.
    #[serde(default)]
    pub tokens: Vec<TokenEntry>,
    /// Sign-in by OpenID Connect.
    pub oidc: OpenIdConnect,
}

impl Auth {
    /// Whether anybody can be let in: else there are no pages and no API.
    pub fn is_configured(&self) -> bool {
        self.off || !self.tokens.is_empty() || self.oidc.issuer.is_some()
    }
}

/// `[[server.auth.tokens]]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenEntry {
    /// Whose it is: the name in decisions, and in `approvals.approvers`.
    pub name: String,
    /// What its holder may do.
    pub role: Role,
    /// `sha256:` and the digest of the token in 64 hexadecimal digits. The token itself is not kept.
    pub hash: String,
}

/// What a signed-in person may do. Ordered: each may what the one before may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Look at everything.
    Viewer,
    /// Approve, reject and roll back; `approvals.approvers` has to name the person as well.
    Approver,
    /// Freeze and release all changes.
    Admin,
}

impl Role {
    /// The word in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Approver => "approver",
            Self::Admin => "admin",
        }
    }
}

/// `[server.auth.oidc]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenIdConnect {
    /// The provider's issuer URL; empty: no sign-in by OpenID Connect.
    #[serde(with = "optional_text")]
    #[schemars(with = "String")]
    pub issuer: Option<String>,
    /// By which the provider knows iamwarden.
    pub client_id: String,
    /// Empty: a public client, with PKCE alone.
    #[serde(with = "optional_text")]
    #[schemars(with = "OrEmpty<SecretReference>")]
    pub client_secret: Option<SecretReference>,
    /// What is asked for, besides `openid`.
    pub scopes: Vec<String>,
    /// The claim that names the person. `email` counts only where the provider says that it is verified.
    pub subject_claim: String,
    /// The claim that says what a person may do: a text or a list of texts.
    pub role_claim: String,
    /// Values of that claim that let people look; `*`: whoever can sign in.
    pub viewers: Vec<String>,
    /// Values that let people approve.
    pub approvers: Vec<String>,
    /// Values that make people administrators.
    pub admins: Vec<String>,
}

impl OpenIdConnect {
    /// The highest role that these values of the claim give; `None`: the person may do nothing.
    pub fn role(&self, values: &[String]) -> Option<Role> {
        let holds = |wanted: &[String]| wanted.iter().any(|one| one == "*" || values.contains(one));
        let granted = [
            (Role::Admin, &self.admins),
            (Role::Approver, &self.approvers),
            (Role::Viewer, &self.viewers),
        ];
        granted
            .into_iter()
            .find(|(_, wanted)| holds(wanted))
            .map(|(role, _)| role)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_role_that_a_claim_gives_counts() {
        let oidc = OpenIdConnect {
            issuer: None,
            client_id: String::new(),
            client_secret: None,
            scopes: Vec::new(),
            subject_claim: "email".into(),
            role_claim: "groups".into(),
            viewers: vec!["staff".into()],
            approvers: vec!["security".into()],
            admins: vec!["admins".into()],
        };
        let role = |values: &[&str]| {
            let values: Vec<_> = values.iter().map(|value| (*value).to_owned()).collect();
            oidc.role(&values)
        };
        assert_eq!(role(&["staff", "security"]), Some(Role::Approver));
        assert_eq!(role(&["admins"]), Some(Role::Admin));
        assert_eq!(role(&["Staff"]), None, "values are compared as they are");
        assert_eq!(role(&[]), None);
        let open = OpenIdConnect {
            viewers: vec!["*".into()],
            ..oidc.clone()
        };
        assert_eq!(open.role(&[]), Some(Role::Viewer));
    }
}
