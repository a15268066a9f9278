//! Signing in by OpenID Connect: the authorization code flow with PKCE, `state` and `nonce`.
//!
//! What has to come back the same is kept in a cookie that only this browser has, for ten minutes: nothing is written
//! before the provider has said who it is. What the provider says is worth something only after its signature, issuer,
//! audience, date and nonce were checked; the crate `openidconnect` does that. Its documents are fetched by the guarded
//! client that channels use, so an issuer cannot lead to private addresses unless the configuration says so.

use std::collections::BTreeMap;
use std::pin::Pin;

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use openidconnect::core::{
    CoreClient, CoreIdTokenClaims, CoreJwsSigningAlgorithm, CoreProviderMetadata, CoreResponseType,
};
use openidconnect::{
    AccessTokenHash, AsyncHttpClient, AuthenticationFlow, AuthorizationCode, ClientId, ClientSecret,
    CsrfToken, HttpRequest, HttpResponse, IssuerUrl, Nonce, OAuth2TokenResponse as _, PkceCodeChallenge,
    PkceCodeVerifier, RedirectUrl, Scope, TokenResponse as _,
};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Mutex;

use super::Web;
use super::fields::Fields;
use super::guard::{Right, Routes};
use super::problem::Problem;
use super::sign_in::{begin, destination, set_cookie};
use super::visitor::named_cookie;
use crate::config::OpenIdConnect;
use crate::daemon::{ExchangeError, House};
use crate::telemetry::Chain;

/// How long the way to the provider and back may take.
const PATIENCE: TimeDelta = TimeDelta::minutes(10);
/// How long the provider's documents are kept: keys are rotated, and visitors must not make us ask each time.
const KEPT: TimeDelta = TimeDelta::minutes(10);
/// Algorithms by which a provider may sign. None that our own secret would do for.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 6] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
];

/// What is known of the provider: its documents, of which issuer and since when.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<Option<(String, DateTime<Utc>, CoreProviderMetadata)>>);

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .get("/sign-in/provider", Right::Anybody, start)
        .get("/sign-in/callback", Right::Anybody, finish)
}

/// What has to come back the same.
#[derive(Debug, Serialize, Deserialize)]
struct Pending {
    state: String,
    nonce: String,
    verifier: String,
    next: String,
    until: DateTime<Utc>,
}

/// The guarded client, as the crate asks for it.
struct Http(House);

impl<'c> AsyncHttpClient<'c> for Http {
    type Error = ExchangeError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, ExchangeError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.0.exchange(request))
    }
}

/// The provider sends people back to the public URL, so that tells whether they speak TLS.
fn cookie_name(back: &RedirectUrl) -> &'static str {
    match is_secure(back) {
        true => "__Host-iamwarden-sign-in",
        false => "iamwarden-sign-in",
    }
}

fn is_secure(back: &RedirectUrl) -> bool {
    back.url().scheme() == "https"
}

/// What the configuration says of the provider.
fn declared(house: &House) -> Result<(OpenIdConnect, String, RedirectUrl), Problem> {
    let oidc = house.config.server.auth.oidc.clone();
    let none = || Problem::NotFound("there is no sign-in by a provider here".to_owned());
    let issuer = oidc.issuer.clone().ok_or_else(none)?;
    let base = house.config.server.public_url.as_deref().ok_or_else(none)?;
    let url = format!("{}/sign-in/callback", base.trim_end_matches('/'));
    let url =
        RedirectUrl::new(url).map_err(|error| Problem::failed("server.public_url is not a URL", &error))?;
    Ok((oidc, issuer, url))
}

fn no_provider(error: &dyn std::error::Error) -> Problem {
    tracing::error!(error = %Chain(error), "the OpenID provider cannot be used");
    Problem::Provider
}

/// The provider's documents, which may have been kept for some minutes.
async fn provider(web: &Web, house: &House, issuer: &str) -> Result<CoreProviderMetadata, Problem> {
    let now = web.clock.now();
    // Held while asking: many visitors at once ask the provider once.
    let mut known = web.provider.0.lock().await;
    if let Some((of, at, metadata)) = &*known
        && of == issuer
        && now - *at < KEPT
    {
        return Ok(metadata.clone());
    }
    let url = IssuerUrl::new(issuer.to_owned()).map_err(|error| no_provider(&error))?;
    let metadata = CoreProviderMetadata::discover_async(url, &Http(house.clone()))
        .await
        .map_err(|error| no_provider(&error))?;
    *known = Some((issuer.to_owned(), now, metadata.clone()));
    Ok(metadata)
}

async fn client_secret(house: &House, oidc: &OpenIdConnect) -> Result<Option<ClientSecret>, Problem> {
    let Some(reference) = &oidc.client_secret else {
        return Ok(None);
    };
    let secret = house.secret(reference).await.map_err(|error| {
        tracing::error!(
            error = format!("{error:#}"),
            "the OpenID client's secret cannot be read"
        );
        Problem::Provider
    })?;
    Ok(Some(ClientSecret::new(secret.expose_secret().to_owned())))
}

/// Sends the visitor to the provider.
async fn start(State(web): State<Web>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    let house = web.house();
    let (oidc, issuer, back) = declared(&house)?;
    let fields = Fields::parse(query.unwrap_or_default().as_bytes());
    let metadata = provider(&web, &house, &issuer).await?;
    let client = CoreClient::from_provider_metadata(metadata, ClientId::new(oidc.client_id.clone()), None)
        .set_redirect_uri(back.clone());
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let mut request = client.authorize_url(
        AuthenticationFlow::<CoreResponseType>::AuthorizationCode,
        CsrfToken::new_random,
        Nonce::new_random,
    );
    for scope in &oidc.scopes {
        request = request.add_scope(Scope::new(scope.clone()));
    }
    let (url, state, nonce) = request.set_pkce_challenge(challenge).url();
    let pending = Pending {
        state: state.secret().clone(),
        nonce: nonce.secret().clone(),
        verifier: verifier.secret().clone(),
        next: destination(fields.get("next")),
        until: web.clock.now() + PATIENCE,
    };
    let pending = serde_json::to_vec(&pending)
        .map_err(|error| Problem::failed("a cookie cannot be written", &error))?;
    let held = URL_SAFE_NO_PAD.encode(pending);
    let cookie = set_cookie(cookie_name(&back), &held, PATIENCE.num_seconds())?;
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to(url.as_str())).into_response())
}

fn refused(why: &str) -> Problem {
    Problem::Credentials(format!("the provider did not sign you in: {why}; start again"))
}

fn pending(headers: &HeaderMap, name: &str, now: DateTime<Utc>) -> Result<Pending, Problem> {
    let held = named_cookie(headers, name);
    let held = held.and_then(|held| URL_SAFE_NO_PAD.decode(held).ok());
    let pending: Option<Pending> = held.and_then(|held| serde_json::from_slice(&held).ok());
    match pending {
        Some(pending) if pending.until > now => Ok(pending),
        Some(_) => Err(refused("it took too long")),
        None => Err(refused("this browser did not begin it")),
    }
}

/// Takes the visitor back from the provider.
async fn finish(
    State(web): State<Web>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let house = web.house();
    let (oidc, issuer, back) = declared(&house)?;
    let fields = Fields::parse(query.unwrap_or_default().as_bytes());
    let pending = pending(&headers, cookie_name(&back), web.clock.now())?;
    let state = fields.get("state").unwrap_or_default();
    if !bool::from(subtle::ConstantTimeEq::ct_eq(
        state.as_bytes(),
        pending.state.as_bytes(),
    )) {
        return Err(refused("the answer belongs to another attempt"));
    }
    if let Some(error) = fields.get("error") {
        tracing::warn!(error, "the OpenID provider refused a sign-in");
        return Err(refused("it refused"));
    }
    let code = fields
        .get("code")
        .ok_or_else(|| refused("the answer holds no code"))?;
    let metadata = provider(&web, &house, &issuer).await?;
    let secret = client_secret(&house, &oidc).await?;
    let client = CoreClient::from_provider_metadata(metadata, ClientId::new(oidc.client_id.clone()), secret)
        .set_redirect_uri(back.clone());
    let http = Http(house.clone());
    let tokens = client
        .exchange_code(AuthorizationCode::new(code.to_owned()))
        .map_err(|error| no_provider(&error))?
        .set_pkce_verifier(PkceCodeVerifier::new(pending.verifier.clone()))
        .request_async(&http)
        .await
        .map_err(|error| {
            tracing::warn!(error = %Chain(&error), "the OpenID provider took no code");
            refused("it did not take the code")
        })?;
    let token = tokens.id_token().ok_or_else(|| refused("it sent no identity"))?;
    let now = web.clock.now();
    let verifier = client
        .id_token_verifier()
        .set_allowed_algs(ALGORITHMS)
        .set_time_fn(move || now);
    let not_genuine = |error: &dyn std::error::Error| {
        tracing::warn!(error = %Chain(error), "an identity was not genuine");
        refused("what it sent does not hold")
    };
    let claims = token
        .claims(&verifier, &Nonce::new(pending.nonce.clone()))
        .map_err(|error| not_genuine(&error))?;
    if let Some(expected) = claims.access_token_hash() {
        let algorithm = token.signing_alg().map_err(|error| not_genuine(&error))?;
        let key = token
            .signing_key(&verifier)
            .map_err(|error| not_genuine(&error))?;
        let actual = AccessTokenHash::from_token(tokens.access_token(), algorithm, key)
            .map_err(|error| not_genuine(&error))?;
        if actual != *expected {
            return Err(refused("what it sent does not belong together"));
        }
    }
    let all = all_claims(&token.to_string()).ok_or_else(|| refused("its claims cannot be read"))?;
    let subject = subject(&oidc, claims, &all)?;
    let values = values(all.get(&oidc.role_claim));
    if oidc.role(&values).is_none() {
        tracing::warn!(subject, "signed in at the provider, but has no role here");
        return Err(Problem::Forbidden(format!(
            "{subject} is known to the provider and has no role here: server.auth.oidc says what the claim {} gives",
            oidc.role_claim
        )));
    }
    let mut response = begin(&web, is_secure(&back), subject, issuer, values, &pending.next).await?;
    let over = set_cookie(cookie_name(&back), "", 0)?;
    response.headers_mut().append(header::SET_COOKIE, over);
    // What the provider put into the address is not to be kept.
    response
        .headers_mut()
        .insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Ok(response)
}

/// All claims of an identity that was checked: the crate reads those of the standard only.
fn all_claims(token: &str) -> Option<BTreeMap<String, Value>> {
    let payload = token.split('.').nth(1)?;
    let payload = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    serde_json::from_slice(&payload).ok()
}

/// The name by which the person decides.
fn subject(
    oidc: &OpenIdConnect,
    claims: &CoreIdTokenClaims,
    all: &BTreeMap<String, Value>,
) -> Result<String, Problem> {
    let name = oidc.subject_claim.as_str();
    if name == "email" && claims.email_verified() != Some(true) {
        return Err(refused("it does not say that your address is verified"));
    }
    let found = all.get(name).and_then(Value::as_str).map(str::trim);
    let found = found.filter(|found| !found.is_empty());
    found
        .map(ToOwned::to_owned)
        .ok_or_else(|| refused(&format!("it does not say who you are (claim {name})")))
}

/// The values of the claim that gives roles: a text or a list of texts.
fn values(claim: Option<&Value>) -> Vec<String> {
    match claim {
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(several)) => {
            let texts = several.iter().filter_map(Value::as_str);
            texts.map(ToOwned::to_owned).collect()
        }
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_claim_of_groups_is_a_text_or_a_list_of_texts() {
        assert_eq!(values(Some(&json!("security"))), ["security"]);
        assert_eq!(values(Some(&json!(["a", 1, "b"]))), ["a", "b"]);
        assert!(values(Some(&json!({"security": true}))).is_empty());
        assert!(values(None).is_empty());
    }

    #[test]
    fn what_a_browser_holds_is_its_own_and_young() {
        let now: DateTime<Utc> = "2026-11-23T06:00:00Z".parse().unwrap();
        let held = |until: DateTime<Utc>| {
            let text = json!({"state": "s", "nonce": "n", "verifier": "v", "next": "/", "until": until});
            let cookie = format!("iamwarden-sign-in={}", URL_SAFE_NO_PAD.encode(text.to_string()));
            let pairs = [("host", "127.0.0.1:8787".to_owned()), ("cookie", cookie)];
            pairs
                .into_iter()
                .map(|(name, value)| (header::HeaderName::from_static(name), value.parse().unwrap()))
                .collect::<HeaderMap>()
        };
        assert!(pending(&held(now + PATIENCE), "iamwarden-sign-in", now).is_ok());
        assert!(pending(&held(now), "iamwarden-sign-in", now).is_err());
        assert!(pending(&HeaderMap::new(), "iamwarden-sign-in", now).is_err());
    }
}
