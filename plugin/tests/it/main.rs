//! Plug-ins that mean no good, and their twins that do.

mod answers;
mod claims;
mod examples;
mod guests;
mod hostile;
mod load;
