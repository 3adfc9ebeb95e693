package androidx.credentials.exceptions.domerrors

abstract class DomError(val type: String)
class InvalidStateError : DomError("InvalidStateError")
