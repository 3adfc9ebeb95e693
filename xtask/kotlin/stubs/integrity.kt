package com.google.android.play.core.integrity

class StandardIntegrityManager {
    class StandardIntegrityTokenRequest {
        class Builder {
            fun setRequestHash(requestHash: String): Builder = TODO()
            fun build(): StandardIntegrityTokenRequest = TODO()
        }

        companion object {
            fun builder(): Builder = TODO()
        }
    }
}
