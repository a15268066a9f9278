//! iamwarden.
