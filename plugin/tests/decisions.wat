;; The types of the world `decision`, as every test plug-in made from text imports them. They are those of wit/symbolon.wit.
  (import "symbolon:plugin/decisions@0.2.0" (instance $d
    (type $m (enum "sign-in" "token" "refresh"))
    (export "moment" (type $moment (eq $m)))
    (type $f (record (field "moment" $moment) (field "client" string) (field "sub" string) (field "scopes" (list string))
      (field "tier" (option string)) (field "installation" (option string)) (field "address" (option string))
      (field "auth-time" u64) (field "amr" (list string)) (field "acr" (option string))))
    (export "facts" (type $facts (eq $f)))
    (type $v (variant (case "allow") (case "deny" string) (case "step-up" string) (case "shorten" u32)))
    (export "verdict" (type $verdict (eq $v)))))
