package androidx.credentials

import android.content.Context

abstract class CreateCredentialRequest
abstract class CreateCredentialResponse
abstract class Credential
abstract class CredentialOption

class CreatePublicKeyCredentialRequest(
    val requestJson: String,
    val clientDataHash: ByteArray? = null,
    preferImmediatelyAvailableCredentials: Boolean = false,
    origin: String? = null,
    isAutoSelectAllowed: Boolean = false,
    isConditional: Boolean = false,
) : CreateCredentialRequest()

class CreatePublicKeyCredentialResponse(val registrationResponseJson: String) : CreateCredentialResponse()

class GetPublicKeyCredentialOption(val requestJson: String, val clientDataHash: ByteArray? = null) : CredentialOption()

class PublicKeyCredential(val authenticationResponseJson: String) : Credential()

class GetCredentialRequest(val credentialOptions: List<CredentialOption>, val origin: String? = null)

class GetCredentialResponse(val credential: Credential)

interface CredentialManager {
    suspend fun createCredential(context: Context, request: CreateCredentialRequest): CreateCredentialResponse
    suspend fun getCredential(context: Context, request: GetCredentialRequest): GetCredentialResponse

    companion object {
        fun create(context: Context): CredentialManager = TODO()
    }
}
