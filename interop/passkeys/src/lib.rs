//! Our relying party beside libraries that we did not write. The tests are all there is.
