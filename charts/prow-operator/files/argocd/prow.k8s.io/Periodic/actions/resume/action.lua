-- false and not absent: a manifest in Git that says false stays in sync, and one that says nothing does not notice.
obj.spec.suspend = false
obj.spec.suspendUntil = nil
return obj
