//! Tests of the timeouts without a network: the rules of a policy, and the layer against a model.

mod common;

mod policy {
    mod model;
    mod rules;
}
