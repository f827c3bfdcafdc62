//! The simulation: sites with users, nodes, a network and a store, in which everything that can go
//! wrong does, judged answer by answer.

#![allow(unreachable_pub, reason = "a program exports nothing")]

mod simulation {
    mod action;
    mod agenda;
    mod bounds;
    mod branches;
    mod browser;
    mod clock;
    mod days;
    mod describe;
    mod facts;
    mod handler;
    mod judge;
    mod kinds;
    mod link;
    mod log;
    mod message;
    mod mishaps;
    mod node;
    mod noting;
    mod plan;
    mod random;
    mod recorded;
    mod replacing;
    mod run;
    mod seeds;
    mod server;
    mod settings;
    mod shorten;
    mod site;
    mod starting;
    mod tokens;
    mod tolerance;
    mod trouble;
    mod visit;
    mod visitors {
        pub mod application;
        pub mod days;
        pub mod facts;
        pub mod judge;
        pub mod settings;
    }
    mod witness;
    mod world;
}
