package androidx.credentials

import android.content.Context
import android.view.View

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

class GetDigitalCredentialOption(val requestJson: String) : CredentialOption()

class DigitalCredential(val credentialJson: String) : Credential()

abstract class SignalCredentialStateRequest

class SignalAllAcceptedCredentialIdsRequest(val requestJson: String) : SignalCredentialStateRequest()

class SignalCurrentUserDetailsRequest(val requestJson: String) : SignalCredentialStateRequest()

class SignalCredentialStateResponse

class PublicKeyCredential(val authenticationResponseJson: String) : Credential()

class GetCredentialRequest(val credentialOptions: List<CredentialOption>, val origin: String? = null)

class GetCredentialResponse(val credential: Credential)

class PendingGetCredentialRequest(val request: GetCredentialRequest, val callback: (GetCredentialResponse) -> Unit)

var View.pendingGetCredentialRequest: PendingGetCredentialRequest?
    get() = TODO()
    set(value) { TODO() }

interface CredentialManager {
    suspend fun createCredential(context: Context, request: CreateCredentialRequest): CreateCredentialResponse
    suspend fun getCredential(context: Context, request: GetCredentialRequest): GetCredentialResponse
    suspend fun signalCredentialState(request: SignalCredentialStateRequest): SignalCredentialStateResponse

    companion object {
        fun create(context: Context): CredentialManager = TODO()
    }
}
