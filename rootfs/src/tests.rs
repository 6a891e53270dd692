//! Trees, layers and their differences, against slow and obvious ones.

mod forms;
mod hostile;
mod random;
mod rules;
mod shown;

use crate::*;
use shown::Layers;
