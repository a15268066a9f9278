//! Signed requests by the SDK's own orchestrator, for services whose SDK crates would cost more than the few calls give.
//!
//! Credentials, signatures, retries, timeouts and endpoints are the SDK's; only what is asked and answered is read here.

use std::fmt;

use aws_runtime::auth::sigv4::{SCHEME_ID, SigV4AuthScheme};
use aws_runtime::auth::{SigV4OperationSigningConfig, SigningOptions};
use aws_runtime::retries::classifiers::AwsErrorCodeClassifier;
use aws_runtime::user_agent::{ApiMetadata, UserAgentInterceptor};
use aws_sdk_cloudtrail::config::endpoint::{DefaultResolver, Params, ResolveEndpoint};
use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime::client::retries::classifiers::{HttpStatusCodeClassifier, TransientErrorClassifier};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::auth::AuthSchemeOptionResolverParams;
use aws_smithy_runtime_api::client::auth::static_resolver::StaticAuthSchemeOptionResolver;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::identity::SharedIdentityResolver;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponentsBuilder;
use aws_smithy_runtime_api::client::runtime_plugin::StaticRuntimePlugin;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::Layer;
use aws_smithy_types::error::ErrorMetadata;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::retry::{ErrorKind, ProvideErrorKind};
use aws_types::SigningName;
use aws_types::region::SigningRegion;
use aws_types::service_config::ServiceConfigKey;
use serde_json::Value;

use super::element::Element;
use super::{Regional, sdk_region};
use crate::aws::meter::Departure;
use crate::model::Region;

/// A service that is spoken to by hand.
#[derive(Debug)]
pub(super) struct Service {
    /// The prefix of its IAM actions.
    pub(super) prefix: &'static str,
    /// Its id in the SDK's settings, as in `AWS_ENDPOINT_URL_EC2`.
    pub(super) id: &'static str,
    /// The first label of its endpoints, and what requests are signed for.
    pub(super) host: &'static str,
}

/// What is asked.
#[derive(Debug, Clone)]
pub(super) enum Question {
    /// An action with parameters, in a form; answered in XML.
    Form {
        /// The version of the service's API.
        version: &'static str,
        parameters: Vec<(&'static str, String)>,
    },
    /// A body in JSON 1.1; answered in JSON.
    Json {
        /// What stands before the action in its header.
        target: &'static str,
        body: Value,
    },
    /// A path with its query; answered in XML.
    Path(String),
    /// A path with its query, and a body where there is one; answered in JSON.
    Rest {
        method: &'static str,
        path: String,
        body: Option<Value>,
    },
}

/// What an answer is read as.
pub(super) trait Readable: fmt::Debug + Send + Sync + Sized + 'static {
    /// The whole of it; one that breaks off is none.
    fn read(text: &str) -> Result<Self, BoxError>;

    /// The code and the message of an error.
    fn error(&self) -> (Option<&str>, Option<&str>);
}

impl Readable for Element {
    fn read(text: &str) -> Result<Self, BoxError> {
        Ok(Self::parse(text)?)
    }

    fn error(&self) -> (Option<&str>, Option<&str>) {
        (
            self.find("Code").map(Self::text),
            self.find("Message").map(Self::text),
        )
    }
}

impl Readable for Value {
    fn read(text: &str) -> Result<Self, BoxError> {
        // Writes are answered by nothing at all.
        match text.trim() {
            "" => Ok(Self::Null),
            text => Ok(serde_json::from_str(text)?),
        }
    }

    fn error(&self) -> (Option<&str>, Option<&str>) {
        let text = |name: &str| self.get(name).and_then(Self::as_str);
        let code = text("__type").or_else(|| text("code"));
        (
            code.and_then(|code| code.rsplit('#').next()),
            text("message").or_else(|| text("Message")),
        )
    }
}

/// An error that the service named.
#[derive(Debug)]
pub(super) struct WireError(ErrorMetadata);

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl std::error::Error for WireError {}

impl ProvideErrorMetadata for WireError {
    fn meta(&self) -> &ErrorMetadata {
        &self.0
    }
}

impl ProvideErrorKind for WireError {
    fn retryable_error_kind(&self) -> Option<ErrorKind> {
        None
    }

    fn code(&self) -> Option<&str> {
        self.0.code()
    }
}

/// How a call by hand ends.
pub(super) type Answer<T = Element> = Result<T, SdkError<WireError, HttpResponse>>;

impl Regional {
    /// Asks. `operation` is the IAM action; a `departure` notes whether the request left.
    pub(super) async fn ask_by_hand<T: Readable>(
        &self,
        service: &'static Service,
        region: &Region,
        operation: &'static str,
        question: Question,
        departure: Option<Departure>,
    ) -> Answer<T> {
        let endpoint = self.endpoint(service, region).await;
        let endpoint = endpoint.map_err(SdkError::construction_failure)?;
        let name = operation.rsplit(':').next().unwrap_or(operation);
        let mut builder = Operation::builder()
            .service_name(service.id)
            .operation_name(name)
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(&endpoint)
            .timeout_config(self.shared.pace.timeouts())
            .interceptor(self.meter(service.prefix))
            .with_connection_poisoning()
            .runtime_plugin(self.signing(service, region));
        if let Some(client) = self.sdk.http_client() {
            builder = builder.http_client(client);
        }
        if let Some(departure) = departure {
            builder = builder.interceptor(departure);
        }
        builder = match self.retries.max_attempts() {
            0 | 1 => builder.no_retry(),
            _ => builder.standard_retry(&self.retries),
        };
        let operation = builder
            .serializer(move |question: Question| request(question, name))
            .deserializer(read)
            .build();
        Box::pin(operation.invoke(question)).await
    }

    /// Signs by the session's credentials.
    fn signing(&self, service: &'static Service, region: &Region) -> StaticRuntimePlugin {
        let is_s3 = service.prefix == "s3";
        let mut signing_options = SigningOptions::default();
        signing_options.double_uri_encode = !is_s3;
        signing_options.content_sha256_header = is_s3;
        signing_options.normalize_uri_path = !is_s3;
        let signing = SigV4OperationSigningConfig {
            region: Some(SigningRegion::from(sdk_region(region))),
            name: Some(SigningName::from_static(service.host)),
            signing_options,
            ..SigV4OperationSigningConfig::default()
        };
        let mut layer = Layer::new("iamwarden-signing");
        layer.store_put(signing);
        layer.store_put(AuthSchemeOptionResolverParams::new(()));
        layer.store_put(self.partition(service.prefix, region));
        layer.store_put(ApiMetadata::new(service.prefix, env!("CARGO_PKG_VERSION")));
        let mut components = RuntimeComponentsBuilder::new("iamwarden-signing")
            .with_auth_scheme(SigV4AuthScheme::new())
            .with_auth_scheme_option_resolver(Some(StaticAuthSchemeOptionResolver::new(vec![SCHEME_ID])))
            .with_identity_cache(self.sdk.identity_cache())
            .with_interceptor(UserAgentInterceptor::new())
            .with_retry_classifier(HttpStatusCodeClassifier::default())
            .with_retry_classifier(TransientErrorClassifier::<WireError>::new())
            .with_retry_classifier(AwsErrorCodeClassifier::<WireError>::new());
        if let Some(credentials) = self.sdk.credentials_provider() {
            components.set_identity_resolver(SCHEME_ID, SharedIdentityResolver::new(credentials));
        }
        StaticRuntimePlugin::new()
            .with_config(layer.freeze())
            .with_runtime_components(components)
    }

    /// `AWS_ENDPOINT_URL` and its like where they are set, in the SDK's order; else AWS's own, whose domain is that of
    /// CloudTrail in the same region: the SDK knows the partitions.
    async fn endpoint(&self, service: &Service, region: &Region) -> Result<String, BoxError> {
        if let Some(url) = self.configured_endpoint(service) {
            return Ok(url);
        }
        let parameters = Params::builder()
            .region(region.as_str())
            .use_fips(self.sdk.use_fips().unwrap_or(false))
            .build()?;
        let known = DefaultResolver::new().resolve_endpoint(&parameters).await?;
        let domain = known.url().strip_prefix("https://cloudtrail");
        let domain =
            domain.ok_or_else(|| format!("the SDK has an unusual endpoint for {region}: {}", known.url()))?;
        Ok(format!("https://{}{domain}", service.host))
    }

    fn configured_endpoint(&self, service: &Service) -> Option<String> {
        let general = self.sdk.endpoint_url().map(str::to_owned);
        if self.sdk.get_origin("endpoint_url").is_client_config() {
            return general;
        }
        let key = ServiceConfigKey::builder()
            .service_id(service.id)
            .env("AWS_ENDPOINT_URL")
            .profile("endpoint_url")
            .build();
        let own = key
            .ok()
            .and_then(|key| self.sdk.service_config()?.load_config(key));
        own.or(general)
    }
}

fn request(question: Question, action: &str) -> Result<HttpRequest, BoxError> {
    match question {
        Question::Path(path) => Ok(HttpRequest::get(path)?),
        Question::Rest { method, path, body } => {
            let body = body.map(|body| body.to_string());
            let mut request = HttpRequest::new(body.clone().map_or_else(SdkBody::empty, SdkBody::from));
            request.set_method(method)?;
            request.set_uri(path)?;
            if body.is_some() {
                request.headers_mut().insert("content-type", "application/json");
            }
            Ok(request)
        }
        Question::Form { version, parameters } => {
            let form = url::form_urlencoded::Serializer::new(String::new())
                .append_pair("Action", action)
                .append_pair("Version", version)
                .extend_pairs(parameters)
                .finish();
            post(form, "application/x-www-form-urlencoded")
        }
        Question::Json { target, body } => {
            let mut request = post(body.to_string(), "application/x-amz-json-1.1")?;
            let headers = request.headers_mut();
            headers.insert("x-amz-target", format!("{target}.{action}"));
            Ok(request)
        }
    }
}

fn post(body: String, content_type: &'static str) -> Result<HttpRequest, BoxError> {
    let mut request = HttpRequest::new(SdkBody::from(body));
    request.set_method("POST")?;
    request.set_uri("/")?;
    request.headers_mut().insert("content-type", content_type);
    Ok(request)
}

/// The good answer, or the error in a bad one.
fn read<T: Readable>(response: &HttpResponse) -> Result<T, OrchestratorError<WireError>> {
    let body = response.body().bytes().unwrap_or_default();
    let answer = str::from_utf8(body).map_err(BoxError::from).and_then(T::read);
    if response.status().is_success() {
        return answer.map_err(OrchestratorError::response);
    }
    let mut meta = ErrorMetadata::builder();
    // Where an error is JSON after a path, its code stands beside it: `Code:http://…`.
    let header = response.headers().get("x-amzn-errortype");
    let named = header.and_then(|header| header.split(':').next()?.rsplit('#').next());
    meta = named.into_iter().fold(meta, |meta, code| meta.code(code));
    if let Ok(answer) = answer {
        let (code, message) = answer.error();
        meta = code.into_iter().fold(meta, |meta, code| meta.code(code));
        meta = message
            .into_iter()
            .fold(meta, |meta, message| meta.message(message));
    }
    Err(OrchestratorError::operation(WireError(meta.build())))
}
