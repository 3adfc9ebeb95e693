package androidx.credentials.exceptions.publickeycredential

import androidx.credentials.exceptions.CreateCredentialException
import androidx.credentials.exceptions.domerrors.DomError

class CreatePublicKeyCredentialDomException(val domError: DomError) : CreateCredentialException(domError.type)
