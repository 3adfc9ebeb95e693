// Stand-ins for Android's classes: the names, parameters and results that docs/ uses, and no behaviour.
package android.security.keystore

import java.security.spec.AlgorithmParameterSpec

object KeyProperties {
    const val PURPOSE_SIGN: Int = 4
    const val DIGEST_SHA256: String = "SHA-256"
    const val KEY_ALGORITHM_EC: String = "EC"
}

class KeyGenParameterSpec private constructor() : AlgorithmParameterSpec {
    class Builder(keystoreAlias: String, purposes: Int) {
        fun setAlgorithmParameterSpec(spec: AlgorithmParameterSpec): Builder = TODO()
        fun setDigests(vararg digests: String): Builder = TODO()
        fun setAttestationChallenge(attestationChallenge: ByteArray?): Builder = TODO()
        fun setIsStrongBoxBacked(isStrongBoxBacked: Boolean): Builder = TODO()
        fun build(): KeyGenParameterSpec = TODO()
    }
}
