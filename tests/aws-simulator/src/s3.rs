//! Simple Storage Service: whether buckets are public.

use serde::Serialize;

use crate::context::{Context, Operation, Run};
use crate::wire::error::AwsError;
use crate::wire::service::Service;
use crate::wire::xml::Xml;

/// All operations of the service.
pub(crate) static OPERATIONS: &[Operation] = &[
    Operation::reads("GetBucketAcl", Run::Xml(acl)),
    Operation::reads("GetBucketLocation", Run::Xml(location)),
    Operation::reads("GetBucketPolicyStatus", Run::Xml(policy_status)),
    Operation::reads("GetPublicAccessBlock", Run::Xml(public_access_block)),
];

/// A bucket.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Bucket {
    pub(crate) name: String,
    pub(crate) region: String,
    /// Whether its policy makes it public, if it has one.
    pub(crate) public_policy: Option<bool>,
    /// Its settings against public access, if it has any.
    pub(crate) block: Option<Block>,
    /// Who may do what beside the owner: a group's URI or an account's canonical id, and a permission.
    pub(crate) grants: Vec<(String, String)>,
}

/// Settings against public access.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Block {
    pub(crate) block_acls: bool,
    pub(crate) ignore_acls: bool,
    pub(crate) block_policy: bool,
    pub(crate) restrict_buckets: bool,
}

type Answer = Result<Xml, AwsError>;

fn root(name: &str, fill: impl FnOnce(&mut Xml)) -> Xml {
    Xml::root(name, Service::S3.namespace(), fill)
}

/// The bucket that the path names, wherever it is.
fn anywhere<'a>(cx: &'a Context<'_>) -> Result<&'a Bucket, AwsError> {
    let absent = || AwsError::new("NoSuchBucket", 404, "The specified bucket does not exist");
    cx.account
        .buckets
        .get(cx.input.required("Bucket")?)
        .ok_or_else(absent)
}

/// The bucket that the path names, in the region of the request.
fn bucket<'a>(cx: &'a Context<'_>) -> Result<&'a Bucket, AwsError> {
    let bucket = anywhere(cx)?;
    if bucket.region != cx.region {
        let message =
            "The bucket you are attempting to access must be addressed using the specified endpoint.";
        let error = AwsError::new("PermanentRedirect", 301, message);
        return Err(error.with_header("x-amz-bucket-region", &bucket.region));
    }
    Ok(bucket)
}

fn acl(cx: &mut Context<'_>) -> Answer {
    let bucket = bucket(cx)?;
    // A canonical id is 64 hexadecimal digits.
    let owner = format!("{:0>64}", cx.account.id);
    let grants = std::iter::once((owner.as_str(), "FULL_CONTROL"));
    let others = bucket
        .grants
        .iter()
        .map(|(to, permission)| (to.as_str(), permission.as_str()));
    Ok(root("AccessControlPolicy", |x| {
        x.node("Owner", |x| {
            x.text("ID", &owner);
        });
        x.node("AccessControlList", |x| {
            for (to, permission) in grants.chain(others) {
                x.node("Grant", |x| {
                    let (kind, element) = if to.starts_with("http") {
                        ("Group", "URI")
                    } else {
                        ("CanonicalUser", "ID")
                    };
                    x.typed("Grantee", kind, |x| {
                        x.text(element, to);
                    });
                    x.text("Permission", permission);
                });
            }
        });
    }))
}

fn location(cx: &mut Context<'_>) -> Answer {
    let bucket = anywhere(cx)?;
    // The oldest region has no name here.
    let region = if bucket.region == "us-east-1" {
        ""
    } else {
        &bucket.region
    };
    Ok(root("LocationConstraint", |x| x.plain(region)))
}

fn policy_status(cx: &mut Context<'_>) -> Answer {
    let absent = || AwsError::new("NoSuchBucketPolicy", 404, "The bucket policy does not exist");
    let is_public = bucket(cx)?.public_policy.ok_or_else(absent)?;
    Ok(root("PolicyStatus", |x| {
        x.text("IsPublic", is_public);
    }))
}

fn public_access_block(cx: &mut Context<'_>) -> Answer {
    let absent = || {
        let message = "The public access block configuration was not found";
        AwsError::new("NoSuchPublicAccessBlockConfiguration", 404, message)
    };
    let block = bucket(cx)?.block.ok_or_else(absent)?;
    Ok(root("PublicAccessBlockConfiguration", |x| {
        x.text("BlockPublicAcls", block.block_acls)
            .text("IgnorePublicAcls", block.ignore_acls)
            .text("BlockPublicPolicy", block.block_policy)
            .text("RestrictPublicBuckets", block.restrict_buckets);
    }))
}
