package androidx.credentials.exceptions

abstract class CreateCredentialException(val type: String) : Exception()
class CreateCredentialCancellationException : CreateCredentialException("cancelled")
abstract class GetCredentialException(val type: String) : Exception()
class GetCredentialCancellationException : GetCredentialException("cancelled")
class NoCredentialException : GetCredentialException("none")
