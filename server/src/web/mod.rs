//! The server as browsers and programs see it: pages, files, headers, parameters.

pub mod assets;
pub mod console;
pub mod files;
pub mod forms;
pub mod headers;
pub mod health;
pub mod install;
pub mod openapi;
pub mod pages;
pub mod problems;
pub mod query;
