//! Policy documents: their grammar, the policies AWS provides, and the services they speak of.

pub(crate) mod compare;
pub(crate) mod document;
pub(crate) mod managed;
pub(crate) mod reach;
pub(crate) mod services;
